// The task `segmentation`: a class for every pixel. What is on show of it; `result.js` says what each means.

import { classOf } from "./result.js";

const HEADLINE_CLASS = "epithelium"; // the service holds every card of this task to the same class names

const mm2 = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 3 });

/** A part of the tissue as people read it: only nothing is 0 %, and only everything is 100 %. */
function share(fraction) {
  if (fraction === 0 || fraction === 1) return `${100 * fraction} %`;
  if (fraction < 0.0005) return "< 0.1 %";
  if (fraction >= 0.9995) return "> 99.9 %";
  return `${(fraction * 100).toFixed(1)} %`;
}

export const table = {
  caption: "Area of each class, and its share of the tissue",
  numbers: ["Area", "Share of the tissue"],
};

export function headline({ areas }, card) {
  if (Object.values(areas).every((area) => area.mm2 === 0)) {
    return { title: "No tissue found", figure: "", unit: "", description: "" };
  }
  const { title, description } = classOf(card, HEADLINE_CLASS);
  return { title, figure: share(areas[HEADLINE_CLASS].fraction), unit: " of the tissue", description };
}

export const rows = ({ areas }, card) =>
  (card?.classes.map(({ name }) => name) ?? Object.keys(areas)).map((name) => ({
    ...classOf(card, name),
    part: areas[name].fraction,
    numbers: [
      { text: `${mm2.format(areas[name].mm2)} mm²`, exact: areas[name].mm2 },
      { text: share(areas[name].fraction), exact: areas[name].fraction },
    ],
    strong: false,
  }));

export const facts = ({ um_per_px }) => [["Resolution", `${um_per_px} micrometres per pixel`]];

export const view = ({ threshold }) => ({ threshold });

/** The result after one of its objects was excluded or included again; the service counts more exactly. */
export function recount(result, { name, area, excluded }) {
  const mm2 = (area * result.um_per_px ** 2) / 1e6;
  const areas = structuredClone(result.areas);
  areas[name].mm2 = Math.max(0, areas[name].mm2 + (excluded ? -mm2 : mm2));
  const tissue = Object.values(areas).reduce((sum, each) => sum + each.mm2, 0);
  for (const each of Object.values(areas)) each.fraction = tissue ? each.mm2 / tissue : 0;
  return { ...result, areas };
}

export function layer(_, card) {
  if (!card) return null;
  const note = "What has no colour is background: glass, a tear or a vessel.";
  return { title: "Classes", on: true, legend: card.classes, caption: "", note };
}
