// The task `localisation`: a class as in a classification, and where the model sees it. `result.js` says what each means.

import { headline as label } from "./classification.js";

export { rows, table, view } from "./classification.js";

export const whole = ({ x, y }) => `${Math.round(x)}, ${Math.round(y)}`;

/** What the heatmap says, in a sentence. */
function place({ certainty, peak, box }) {
  const heat = `certainty ${certainty.toFixed(2)}`;
  if (!box) return `No box: the heatmap's peak is too low (${heat}).`;
  return `The heatmap peaks at ${whole(peak)} (${heat}).`;
}

export function headline(result, card) {
  const made = label(result, card);
  if (!result.localisation) return made;
  return { ...made, description: `${made.description} ${place(result.localisation)}`.trim() };
}

/** A width and a height in millimetres, in brackets; nothing where the size of a pixel is not known. */
export function inMm({ width, height }, { image, mm_per_px }) {
  const scale = mm_per_px ?? image.mm_per_px; // the caller's, else the file's
  return scale ? ` (${(width * scale).toFixed(1)} x ${(height * scale).toFixed(1)} mm)` : "";
}

export function facts(result, shown = "heatmap") {
  const { localisation } = result;
  if (!localisation) return [];
  const { certainty, peak, box } = localisation;
  const size = box && `${Math.round(box.width)} x ${Math.round(box.height)} pixels${inMm(box, result)} at ${whole(box)}`;
  return [
    ["Box", size ?? "none"],
    [`Peak of the ${shown}`, `${whole(peak)}, certainty ${certainty}`],
  ];
}

/** The box, and a cross at the peak, in the colour of the most probable tumour. */
function marks({ localisation: { peak, box }, probabilities, image }, card) {
  if (!box) return [];
  const [left, top, right, bottom] = [box.x, box.y, box.x + box.width, box.y + box.height];
  const arm = Math.max(image.width, image.height) / 75;
  const tumours = card.classes.filter(({ name }) => name !== card.localisation.nothing);
  const { colour } = tumours.reduce((one, other) => (probabilities[other.name] > probabilities[one.name] ? other : one));
  const rings = [
    [[left, top], [right, top], [right, bottom], [left, bottom]],
    [[peak.x - arm, peak.y], [peak.x + arm, peak.y]],
    [[peak.x, peak.y - arm], [peak.x, peak.y + arm]],
  ];
  return [{ rings, colour }];
}

export function layer(result, card) {
  if (!card?.localisation || !result.localisation) return null;
  const { caption, figures, method } = card.localisation;
  return { title: "Tumour heatmap and box", on: true, legend: [], caption, note: `${figures} Method: ${method}.`, marks: marks(result, card) };
}
