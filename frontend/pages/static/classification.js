// The task `classification`: one label for the whole picture. What is on show of it; `result.js` says what each means.

import { classOf } from "./result.js";

const NOT_ASKED = "The model was not asked about this picture. The warnings say why.";

/** A probability as people read it: never rounded to a certainty. */
function percent(probability) {
  const value = probability * 100;
  if (value < 0.01) return "< 0.01 %";
  if (value > 99.99) return "> 99.99 %";
  return `${value.toFixed(2)} %`;
}

export const table = () => ({ caption: "Probability of each class", numbers: ["Probability"] });

export function headline({ label, labels = [label], probabilities, undetermined }, card) {
  if (!labels.length) return { title: "None of the classes", figure: "", unit: "", description: "" };
  if (labels.length > 1) {
    return { title: labels.map((name) => classOf(card, name).title).join(", "), figure: "", unit: "", description: "" };
  }
  if (label === null) {
    const silent = { title: "No answer", figure: "", unit: "", description: NOT_ASKED };
    const asked = undetermined && undetermined.value !== null;
    return asked ? { ...silent, title: "Undetermined", description: undetermined.text } : silent;
  }
  const { title, description } = classOf(card, label);
  return { title, figure: percent(probabilities[label]), unit: "", description };
}

export const rows = ({ label, labels = [label], probabilities }, card) =>
  Object.entries(probabilities ?? {}).map(([name, p]) => ({
    ...classOf(card, name),
    part: p,
    numbers: [{ text: percent(p), exact: p }],
    strong: labels.includes(name),
  }));

export const facts = () => [];

export const view = () => ({});

export function layer({ label }, card) {
  if (!card?.saliency || label === null) return null;
  const { caption, figures, method } = card.saliency;
  return { title: "Saliency map", on: false, legend: [], caption, note: `${figures} Method: ${method}.` };
}
