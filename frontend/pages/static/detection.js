// The task `detection`: boxes with a class and a score. What is on show of it; `result.js` says what each means.

import { inMm } from "./localisation.js";
import { classOf } from "./result.js";

export const table = () => ({ caption: "Boxes of each class", numbers: ["Boxes"] });

const sum = (counts) => Object.values(counts).reduce((all, each) => all + each, 0);

/** The largest box, where the size of a pixel is known. */
function largest(result) {
  const boxes = result.boxes ?? []; // a job's finding has none
  if (!boxes.length) return "";
  const size = inMm(boxes.reduce((one, other) => (other.width * other.height > one.width * one.height ? other : one)), result);
  return size && `; the largest${size}`;
}

export function headline(result, card) {
  const { counts } = result;
  const total = sum(counts);
  if (!total) return { title: "Nothing found", figure: "", unit: "", description: "" };
  const present = Object.entries(counts).filter(([, count]) => count);
  const description = present.map(([name, count]) => `${count} ${classOf(card, name).title}`).join(", ") + largest(result);
  return { title: total === 1 ? "1 box" : `${total} boxes`, figure: "", unit: "", description };
}

export const rows = ({ counts }, card) =>
  Object.entries(counts).map(([name, count]) => ({
    ...classOf(card, name),
    part: count / Math.max(sum(counts), 1),
    numbers: [{ text: `${count}`, exact: count }],
    strong: false,
  }));

export const facts = () => [];

export const view = ({ threshold }) => ({ threshold });

export function layer(_, card) {
  if (!card) return null;
  return { title: "Boxes", on: true, legend: card.classes, caption: "", note: "" };
}
