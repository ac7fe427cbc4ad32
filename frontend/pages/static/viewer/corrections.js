// Objects that a person takes out of a result: recounted here at once, then kept by the service, whose numbers count.

import { address, readPicture, write } from "../api.js";
import { objectOf } from "./outlines.js";

const SAVE_AFTER_MS = 400; // several clicks are one request
const UM2_PER_MM2 = 1e6;
const MOST_ROWS = 200;

const at = (id) => document.getElementById(id);
const part = at("objects");
const status = at("objects-status");

const area = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 3 });

let result = null; // as it is on show
let task = null;
let objects = [];
let reading = null; // AbortController
let timer = 0;
let hooks = {};

/** The objects of the result on show, as far as they are known. */
export const all = () => objects;

/** An object's area as people read it. */
export function areaText({ area: pixels }) {
  if (!result.um_per_px) return `${area.format(pixels)} px`;
  const um2 = pixels * result.um_per_px ** 2;
  return um2 < UM2_PER_MM2 / 100 ? `${area.format(um2)} µm²` : `${area.format(um2 / UM2_PER_MM2)} mm²`;
}

/**
 * Fetch the objects of a result and offer to exclude them.
 * @param {object} shown the result, at the threshold that is on show.
 * @param {object} itsTask see result.js; one with objects has `recount`.
 * @param {{redraw: () => void, tell: (result: object) => void, show: (object: object) => void,
 *   mark: (object: object | undefined) => void}} called when colours are others, with a recounted result, and to bring an
 *   object into sight or stress it.
 */
export async function offerObjects(shown, itsTask, called) {
  awaitObjects();
  at("objects-later").hidden = true;
  if (!shown.links.polygons || !itsTask.recount) return withdrawObjects();
  [result, task, hooks] = [shown, itsTask, called];
  reading = new AbortController();
  const { signal } = reading;
  try {
    const query = { ...task.view(shown), frame: "upright", excluded: "ignore", objects: "annotations" };
    const file = await readPicture(address(shown.links.polygons, query), signal);
    const { features } = JSON.parse(await file.text());
    signal.throwIfAborted();
    objects = features.map(objectOf);
  } catch (error) {
    if (!signal.aborted) say(`The objects could not be fetched. ${error.message}`);
    return;
  }
  part.hidden = objects.length === 0;
  part.inert = false;
  at("objects-count").textContent = objects.length;
  list();
  hooks.redraw();
  const excluded = objects.filter((each) => each.excluded);
  if (excluded.length && !shown.excluded?.length) hooks.tell(excluded.reduce(task.recount, shown));
}

/** Offer to fetch the objects when somebody wants them. */
export function offerLater(shown, itsTask, fetchThem) {
  awaitObjects();
  part.hidden = !shown.links.polygons || !itsTask.recount;
  part.inert = at("objects-later").hidden = false;
  at("objects-load").onclick = fetchThem;
}

/** Forget the objects: others are to come. What is still to be saved, is. */
export function awaitObjects() {
  reading?.abort();
  objects = [];
  part.inert = true;
  say("");
}

/** Forget the objects. */
export function withdrawObjects() {
  awaitObjects();
  part.hidden = true;
}

/** The result at the same threshold in the service's numbers. */
export const takeNumbers = (shown) => {
  result = shown;
};

/** Exclude an object, or include it again. */
export function toggle(object) {
  object.excluded = !object.excluded;
  result = task.recount(result, object);
  const box = part.querySelector(`input[value="${CSS.escape(object.id)}"]`);
  if (box) box.checked = !object.excluded;
  hooks.redraw();
  hooks.tell(result);
  say(`${object.title} ${object.excluded ? "excluded" : "included"}.`);
  save(result, objects.flatMap((each) => (each.excluded ? [each.id] : [])));
}

function save(shown, excluded) {
  clearTimeout(timer);
  const [told, view] = [hooks.tell, task.view(shown)];
  timer = setTimeout(async () => {
    try {
      const kept = await write(address(`${shown.links.self}/corrections`, view), { excluded });
      if (result !== shown) return; // changed again meanwhile
      told(kept);
      say(`${status.textContent.replace(/ Kept with the result\.$/, "")} Kept with the result.`);
    } catch (error) {
      say(`The correction is shown but could not be kept. ${error.message} The next one tries again.`);
    }
  }, SAVE_AFTER_MS);
}

function say(text) {
  status.textContent = text;
}

/** The largest objects, and all that are excluded, as a table: the same by keyboard and for people who cannot see. */
function list() {
  const sorted = objects.toSorted((one, other) => other.area - one.area);
  const shown = sorted.filter((each, index) => index < MOST_ROWS || each.excluded);
  at("objects-rows").replaceChildren(...shown.map(row));
  const left = objects.length - shown.length;
  at("objects-more").textContent = left ? `${left} smaller ones are not listed; click them in the picture.` : "";
}

function row(object) {
  const made = document.createElement("tr");
  const [counted, name, size] = ["td", "th", "td"].map((tag) => document.createElement(tag));
  const box = Object.assign(document.createElement("input"), { type: "checkbox", value: object.id });
  box.checked = !object.excluded;
  box.setAttribute("aria-label", `Count ${object.title}`);
  box.addEventListener("change", () => toggle(object));
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: object.title });
  button.addEventListener("click", () => hooks.show(object));
  for (const kind of ["mouseenter", "focusin"]) made.addEventListener(kind, () => hooks.mark(object));
  for (const kind of ["mouseleave", "focusout"]) made.addEventListener(kind, () => hooks.mark(undefined));
  name.scope = "row";
  counted.append(box);
  name.append(button);
  size.textContent = areaText(object);
  made.append(counted, name, size);
  return made;
}
