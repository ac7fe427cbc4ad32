// The task `segmentation`: classes for every pixel. What is on show of it; `result.js` says what each means.

import { classOf } from "./result.js";

const number = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en-GB");

/** A part of the whole as people read it: only nothing is 0 %, and only everything is 100 %. */
function share(fraction) {
  if (fraction === 0 || fraction === 1) return `${100 * fraction} %`;
  if (fraction < 0.0005) return "< 0.1 %";
  if (fraction >= 0.9995) return "> 99.9 %";
  return `${(fraction * 100).toFixed(1)} %`;
}

/** What areas are shares of: the model's steps tell tissue from glass, or it is all that there is. */
function ofWhat(card) {
  if (!card) return "whole";
  return card.segmentation?.steps.length ? "tissue" : "picture";
}

const areaText = ({ px, mm2 }) => (mm2 === null ? `${whole.format(px)} px` : `${number.format(mm2)} mm²`);

export const table = (card) => ({
  caption: `Area of each class, and its share of the ${ofWhat(card)}`,
  numbers: ["Area", `Share of the ${ofWhat(card)}`],
});

export function headline({ areas }, card) {
  const largest = Object.keys(areas).reduce((most, name) => (areas[name].fraction > areas[most].fraction ? name : most));
  if (areas[largest].fraction === 0) {
    return { title: ofWhat(card) === "tissue" ? "No tissue found" : "Nothing found", figure: "", unit: "", description: "" };
  }
  const name = card?.segmentation?.headline ?? largest;
  const { title, description } = classOf(card, name);
  return { title, figure: share(areas[name].fraction), unit: ` of the ${ofWhat(card)}`, description };
}

export const rows = ({ areas }, card) =>
  (card?.classes.map(({ name }) => name) ?? Object.keys(areas)).map((name) => ({
    ...classOf(card, name),
    part: areas[name].fraction,
    numbers: [
      { text: areaText(areas[name]), exact: areas[name].mm2 ?? areas[name].px },
      { text: share(areas[name].fraction), exact: areas[name].fraction },
    ],
    strong: false,
  }));

export const facts = ({ um_per_px }) => (um_per_px === null ? [] : [["Resolution", `${um_per_px} micrometres per pixel`]]);

export const view = ({ threshold }) => ({ threshold });

/** The result after one of its objects was excluded or included again; the service counts more exactly. */
export function recount(result, { name, area, excluded }) {
  const areas = structuredClone(result.areas);
  const added = excluded ? -area : area;
  const mm2 = (added * result.um_per_px ** 2) / 1e6;
  const mine = areas[name];
  // Of the shares of tissue, which are all of it together, the others grow when one becomes none.
  const all = Object.values(areas);
  const together = all.reduce((sum, each) => sum + each.fraction, 0);
  const { px, fraction } = all.find((each) => each.fraction > 0) ?? { px: 0, fraction: 1 };
  const before = mine.px ?? mine.mm2; // results of older versions have no pixels
  if (mine.px !== undefined) mine.px = Math.max(0, mine.px + added);
  if (mine.mm2 !== null) mine.mm2 = Math.max(0, mine.mm2 + mm2);
  if (Math.abs(together - 1) < 1e-3 || before === undefined) {
    const sum = all.reduce((total, each) => total + (each.px ?? each.mm2), 0);
    for (const each of all) each.fraction = sum ? (each.px ?? each.mm2) / sum : 0;
  } else if (px) {
    mine.fraction = Math.min(1, (mine.px * fraction) / px);
  }
  return { ...result, areas };
}

export function layer(_, card) {
  if (!card) return null;
  const note =
    ofWhat(card) === "tissue" ? "What has no colour is background: glass, a tear or a vessel." : "What has no colour has no class.";
  return { title: "Classes", on: true, legend: card.classes, caption: "", note };
}
