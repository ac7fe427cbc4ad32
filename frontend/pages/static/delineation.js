// The task `delineation`: a class as in a classification, or why there is none, and the outline of what it is of.
// `result.js` says what each export means.

import { headline as label } from "./classification.js";
import { facts as place, whole } from "./localisation.js";
import { classOf } from "./result.js";

export { rows, table, view } from "./classification.js";

const mm2 = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 3 });

/** What is outlined, in a sentence. */
function size({ outline, area_px, area_mm2, longest_diameter_mm, peak }) {
  if (!outline.length) return "";
  if (area_mm2 === null) return `${area_px} pixels are outlined, the peak is at ${whole(peak)}.`;
  return `${mm2.format(area_mm2)} mm² are outlined, ${longest_diameter_mm.toFixed(1)} mm at the longest.`;
}

export function headline(result, card) {
  const made = label(result, card);
  if (!result.localisation) return made;
  return { ...made, description: `${made.description} ${size(result.localisation)}`.trim() };
}

export function facts(result) {
  if (!result.localisation) return [];
  const { area_px, area_mm2, longest_diameter_px, longest_diameter_mm } = result.localisation;
  const area = `${area_px} pixels${area_mm2 === null ? "" : `, ${mm2.format(area_mm2)} mm²`}`;
  const longest = longest_diameter_px?.toFixed(1); // nothing is outlined without it
  const inMm = longest_diameter_mm === null ? "" : `, ${longest_diameter_mm.toFixed(1)} mm`;
  return [
    ...place(result, "mask"),
    ["Outlined area", area],
    ...(longest === undefined ? [] : [["Longest diameter", `${longest} pixels${inMm}`]]),
  ];
}

/** The outline, and a cross at the peak, in the colour of the class. */
function marks({ localisation: { outline, peak }, label: name, image }, card) {
  if (!outline.length) return [];
  const arm = Math.max(image.width, image.height) / 75;
  const cross = [
    [[peak.x - arm, peak.y], [peak.x + arm, peak.y]],
    [[peak.x, peak.y - arm], [peak.x, peak.y + arm]],
  ];
  return [{ rings: [...outline.flat(), ...cross], colour: classOf(card, name).colour }];
}

export function layer(result, card) {
  if (!card?.delineation || !result.localisation) return null;
  const { caption, figures, method, outlined } = card.delineation;
  const title = `${outlined[0].toUpperCase()}${outlined.slice(1)} outline`;
  return { title, on: true, legend: [], caption, note: `${figures} Method: ${method}.`, marks: marks(result, card) };
}
