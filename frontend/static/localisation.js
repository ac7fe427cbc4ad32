// The task `localisation`: a class as in a classification, and where the model sees it. `result.js` says what each means.

import { headline as label } from "./classification.js";

export { rows, table, view } from "./classification.js";

const whole = ({ x, y }) => `${Math.round(x)}, ${Math.round(y)}`;

/** What the heatmap says, in a sentence. */
function place({ certainty, peak, box }) {
  const heat = `certainty ${certainty.toFixed(2)}`;
  if (!box) return `No box: the heatmap's peak is too low (${heat}).`;
  return `The heatmap peaks at ${whole(peak)} (${heat}).`;
}

export function headline(result, card) {
  const made = label(result, card);
  return { ...made, description: `${made.description} ${place(result.localisation)}`.trim() };
}

export function facts({ localisation: { certainty, peak, box } }) {
  const size = box && `${Math.round(box.width)} x ${Math.round(box.height)} pixels at ${whole(box)}`;
  return [
    ["Box", size ?? "none"],
    ["Peak of the heatmap", `${whole(peak)}, certainty ${certainty}`],
  ];
}

export function layer(_, card) {
  if (!card?.localisation) return null;
  const { caption, figures, method } = card.localisation;
  return { title: "Tumour heatmap and box", on: true, legend: [], caption, note: `${figures} Method: ${method}.` };
}
