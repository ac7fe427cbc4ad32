// A result in words, bars and tables. Only textContent and CSSOM: what the service sends is never parsed as HTML.
//
// What differs by task is a module for each, with the same exports:
//   table     (card) => { caption, numbers: the titles of the columns with numbers }
//   headline  (result, card) => { title, figure, unit, description }
//   rows      (result, card) => [{ name, title, colour, part: 0 to 1, numbers: [{ text, exact }], strong }]
//   facts     (result) => [[name, text]], beside those that every result has
//   view      (result) => the query with which the service draws it as it is on show
//   layer     (result, card) => { title, on, legend, caption, note }, see viewer.js; null where there is none

import { address } from "./api.js";
import { taken } from "./taken.js";

const at = (id) => document.getElementById(id);

/** The class of that name: as on the card, or by its bare name where there is no card. */
export const classOf = (card, name) =>
  card?.classes.find((each) => each.name === name) ?? { name, title: name, colour: "#808080", description: "" };

/** Show what the model says. `card` is the model's, if it is served at the moment. */
export function showResult(result, card, task) {
  const { title, figure, unit, description } = task.headline(result, card);
  const number = element("span", figure, "figure");
  number.append(element("small", unit));
  at("answer-kicker").textContent = card?.title ?? result.model;
  at("answer-title").replaceChildren(`${title} `, number);
  at("answer-description").textContent = description;
  at("warnings").replaceChildren(...result.warnings.map(({ message }) => element("li", message)));
  at("warnings").hidden = !result.warnings.length;
  const table = task.table(card);
  at("bars-caption").textContent = table.caption;
  at("bars-head").replaceChildren(column("Class"), element("td"), ...table.numbers.map(column));
  const rows = task.rows(result, card);
  at("bars").replaceChildren(...rows.map(bar));
  at("bars").closest("table").hidden = !rows.length; // there was no answer
}

/**
 * Show how the result came about.
 * @param answer what `predict` resolves to; a result read again has only the `document`.
 */
export function showProvenance({ document: result, stored, hereMs, serverMs }, task) {
  at("request-timing").textContent = requestTiming(stored, hereMs, serverMs);
  at("timings").replaceChildren(
    ...Object.entries(result.timings_ms).map(([stage, ms]) => pair("tr", "th", stage, "td", `${ms.toFixed(1)} ms`)),
  );
  const list = (all) => all.map(([name, text]) => pair("div", "dt", name, "dd", text));
  at("provenance").replaceChildren(...list([...facts(result), ...task.facts(result)]));
  at("taken-facts").replaceChildren(...list(taken(result.image)));
  at("taken").hidden = !result.image.dicom;
}

/** Offer the files that the service makes of this result, as it is on show. `opacity`: 0 to 1. */
export function offerDownloads(result, card, task, opacity) {
  const view = task.view(result);
  for (const download of at("downloads").children) {
    const { link, suffix } = download.dataset;
    const there = link in result.links && (link === "self" || card !== undefined);
    download.hidden = !there;
    if (!there) continue;
    download.href = address(result.links[link], link === "overlay" ? { opacity, ...view } : view);
    download.download = `${result.model}-${result.id}${suffix}`;
  }
}

function bar({ name, title, colour, part, numbers, strong }) {
  const row = element("tr", "", strong ? "strong" : "");
  row.dataset.class = name;
  const head = element("th", title);
  head.scope = "row";
  const track = element("td", "", "track");
  const rail = element("span", "", "rail");
  const fill = element("span", "", "fill");
  fill.style.width = `${part * 100}%`;
  fill.style.backgroundColor = colour;
  rail.append(fill);
  track.append(rail);
  row.append(head, track, ...numbers.map(cell));
  return row;
}

function cell({ text, exact }) {
  const made = element("td", text, "number");
  made.title = String(exact);
  return made;
}

function column(title) {
  const made = element("th", title);
  made.scope = "col";
  return made;
}

function requestTiming(stored, hereMs, serverMs) {
  if (hereMs === undefined) return "Read from the store; the stages below are those of its computation.";
  const whole = `${hereMs.toFixed(0)} ms from sending to answer`;
  const server = Number.isNaN(serverMs) ? "" : `, ${serverMs.toFixed(0)} ms of them in the service`;
  const source = stored ? " It was stored already: the stages below are those of its computation." : "";
  return `This request took ${whole}${server}.${source}`;
}

function facts({ id, image, provenance }) {
  const given = Object.entries(provenance.parameters).filter(([, value]) => value !== null);
  return [
    ["Result", id],
    ["Picture", `${image.width} x ${image.height} pixels, ${image.format}${turning(image)}`],
    ["Picture's SHA-256", provenance.input_sha256],
    ["Model", `${provenance.model}, version ${provenance.version}`],
    ["Model's SHA-256", provenance.model_sha256 ?? "unknown"],
    ["Weights", provenance.weights.package],
    ["Weights' SHA-256", provenance.weights.sha256],
    ["Parameters", given.map(([name, value]) => `${name} = ${value}`).join(", ") || "none"],
    ["Computed", provenance.created],
    ["Code", provenance.code_version],
  ];
}

const turning = ({ turned, orientation }) => (turned ? `, turned upright (EXIF orientation ${orientation})` : "");

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function pair(tag, nameTag, name, textTag, text) {
  const made = element(tag);
  const head = element(nameTag, name);
  if (nameTag === "th") head.scope = "row";
  made.append(head, element(textTag, text));
  return made;
}
