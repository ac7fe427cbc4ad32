// The picture and the layer over it, and the controls of both. What is drawn where is in viewer/.

import { readDescription } from "./api.js";
import { classColours, heatColours, strongestColours } from "./viewer/colours.js";
import {
  all,
  areaText,
  awaitObjects,
  offerLater,
  offerObjects,
  takeNumbers,
  toggle,
  withdrawObjects,
} from "./viewer/corrections.js";
import { legendEntry } from "./viewer/legend.js";
import { loadLibrary } from "./viewer/library.js";
import { cutOut, drawOutlines, markOf, objectAt } from "./viewer/outlines.js";
import { showScale } from "./viewer/scale.js";
import { offerWindow, withdrawWindow } from "./viewer/window.js";

const at = (id) => document.getElementById(id);
const picture = at("picture");
const hint = at("viewport-hint");
const viewport = at("viewport");
const pane = at("pane");
const on = at("layer-on");
const slider = at("opacity");
const outlines = at("outlines");
const divider = at("divider");
const tip = at("object-tip");

const WIDEST = 2; // of the place for the picture: width by height
const TALLEST = 0.75;
const ZOOM_STEP = 1.5;
const MANY_PIXELS = 16_000_000; // of a picture whose objects may be too many to fetch unasked

let held = null; // address of the picture before there is a result
let stage = null;
let shown = null; // { result, layer, marks, task, tell } of the result on show
let objectsAt = null; // the threshold that the objects are for
let threshold = 0;
let hidden = new Set(); // names of classes
let marked; // the object under the pointer

/** Opacity of the layer as set by the user, 0 to 1; null while it is switched off. */
export const layerOpacity = () => (on.checked && shown?.layer ? slider.valueAsNumber / 100 : null);

/** Call `listener` whenever `layerOpacity` may have changed. */
export function onLayerChange(listener) {
  for (const control of [on, slider]) control.addEventListener("input", listener);
}

/**
 * Show a picture before there is a result. Browsers turn it upright by its EXIF orientation, as the service does.
 * @param {Blob} source
 * @param {string} alt
 * @param {string} background what shows around it and through transparent pixels.
 */
export async function showPicture(source, alt, background = "") {
  clear();
  loadLibrary().catch(() => {}); // a result asks again, and tells
  held = URL.createObjectURL(source);
  picture.src = held;
  picture.alt = alt;
  const there = await picture.decode().then(
    () => true,
    () => false,
  );
  if (!held) return;
  picture.hidden = !there;
  hint.hidden = there;
  hint.textContent = "This browser cannot show the file; the picture appears with its result.";
  if (there) frame(picture.naturalWidth, picture.naturalHeight, background);
}

function frame(width, height, background) {
  viewport.style.aspectRatio = Math.min(WIDEST, Math.max(TALLEST, width / height));
  viewport.style.backgroundColor = background;
}

/**
 * Show a stored result: its picture in tiles, and the layer over it.
 * @param {object} result
 * @param {object | undefined} card the model's.
 * @param {object} task see result.js.
 * @param {(result: object) => void} tell gets the result with other numbers when objects were excluded.
 */
export async function showStored(result, card, task, tell) {
  close();
  const layer = task.layer(result, card);
  const mine = { result, layer, marks: (layer?.marks ?? []).map(markOf), task, tell };
  shown = mine;
  threshold = result.threshold ?? 0;
  hidden = new Set();
  offerLayer(mine.layer);
  viewport.setAttribute("aria-busy", "true");
  try {
    const [described, { Stage }] = await Promise.all([readDescription(result.id), loadLibrary()]);
    if (shown !== mine) return;
    mine.umPerPx = described.um_per_px;
    frame(described.width, described.height, card?.preprocessing.background ?? "");
    const address = `${result.links.self}/tiles`;
    mine.window = result.image.dicom?.window;
    stage = new Stage(pane, at("pane-plain"), described, address, "The picture of this result");
    await setStage(described);
    if (shown === mine) loadObjects();
  } catch (error) {
    if (shown === mine) clear(`The picture could not be shown. ${error.message}`);
  }
}

function offerLayer(layer) {
  at("layer").hidden = !layer;
  on.checked = layer?.on ?? false;
  at("layer-title").textContent = layer?.title ?? "";
  at("layer-note").textContent = layer?.note ?? "";
  at("layer-caption").textContent = layer?.caption ?? "";
  at("legend").replaceChildren(...(layer?.legend ?? []).map((each) => legendEntry(each, hidden, redraw)));
  showControls();
}

async function setStage(described) {
  const made = stage;
  hint.hidden = true;
  pane.hidden = at("view-tools").hidden = false;
  await made.open(drawn);
  if (stage !== made) return;
  made.main.addHandler("canvas-click", clicked);
  const layer = described.layers.find(({ name }) => name === "overlay");
  if (shown.layer && layer) {
    await made.addLayer(layer.name, colourOf(layer), cutExcluded, layerOpacity() ?? 0);
  }
}

const colourOf = ({ kind, classes, colours }) =>
  ({
    classes: () => classColours(classes, () => ({ threshold, hidden })),
    strongest: () => strongestColours(classes, () => ({ threshold, hidden })),
    heat: () => heatColours(colours),
    drawn: () => null,
  })[kind]();

function cutExcluded(...tile) {
  const excluded = all().filter((each) => each.excluded);
  if (excluded.length) cutOut(excluded, ...tile);
}

/** Take the same result with other numbers: at another threshold, or with objects excluded. */
export function changeResult(result) {
  shown.result = result;
  if (result.threshold === objectsAt) takeNumbers(result);
  else loadObjects();
}

function loadObjects(wanted = false) {
  const { result, task, tell } = shown;
  objectsAt = result.threshold;
  const { width, height } = result.image;
  if (!wanted && width * height > MANY_PIXELS && !result.excluded) {
    return offerLater(result, task, () => loadObjects(true));
  }
  const mark = (object) => {
    marked = object;
    drawn();
  };
  return offerObjects(result, task, { redraw, tell, mark, show: ({ box }) => stage.showPart(box) });
}

/** Colour the layer at this threshold, at once. */
export function colourAt(value) {
  if (value !== objectsAt) {
    awaitObjects(); // they are others now
    objectsAt = null;
  }
  threshold = value;
  redraw();
}

function redraw() {
  stage?.colourAgain();
  drawn();
}

/** Show nothing, and say why. */
export function clear(reason = "The picture appears here.") {
  close();
  if (held) URL.revokeObjectURL(held);
  held = null;
  picture.hidden = true;
  picture.removeAttribute("src");
  viewport.style.aspectRatio = viewport.style.backgroundColor = "";
  hint.hidden = false;
  hint.textContent = reason;
}

function close() {
  withdrawObjects();
  withdrawWindow();
  stage?.close();
  stage = shown = objectsAt = null;
  marked = undefined;
  pane.hidden = true;
  for (const part of ["layer", "view-tools", "scale", "outline-layer", "object-tip"]) at(part).hidden = true;
  at("view-overlay").checked = true;
  arrange();
  viewport.removeAttribute("aria-busy");
  on.checked = false;
}

/** Something moved or was drawn. */
function drawn() {
  if (!stage?.main?.world.getItemCount()) return;
  const place = stage.place();
  at("scale").hidden = at("outline-layer").hidden = false;
  showScale(at("scale"), place.scale, shown.umPerPx);
  const from = divider.hidden ? 0 : (divider.valueAsNumber / 100) * pane.clientWidth;
  drawOutlines(at("outline-layer"), place, from, outlined(), marked);
  if (stage.complete) {
    viewport.removeAttribute("aria-busy");
    picture.hidden = true;
    offerWindow(stage, shown.window);
  } else viewport.setAttribute("aria-busy", "true");
}

/** Excluded objects keep their outlines: nothing else shows where they are. */
function outlined() {
  if (!on.checked) return [];
  const seen = all().filter(({ name }) => !hidden.has(name));
  const wanted = outlines.checked ? seen : seen.filter((each) => each.excluded || each === marked);
  return [...shown.marks, ...wanted.toSorted((one, other) => (one === marked) - (other === marked))];
}

const pointed = ({ clientX, clientY }) => {
  const { left, top } = pane.getBoundingClientRect();
  return [clientX - left, clientY - top];
};

function hover(event) {
  const [x, y] = pointed(event);
  const found = on.checked && stage?.main?.world.getItemCount() ? objectAt(all(), stage.pictureAt(x, y)) : undefined;
  const object = found && !hidden.has(found.name) ? found : undefined;
  tip.hidden = !object;
  if (object) {
    tip.textContent = `${object.title}, ${areaText(object)}${object.excluded ? ", excluded" : ""}`;
    tip.style.left = `${Math.min(x + 12, pane.clientWidth - tip.offsetWidth)}px`;
    tip.style.top = `${Math.min(y + 16, pane.clientHeight - tip.offsetHeight)}px`;
  }
  if (object === marked) return;
  marked = object;
  drawn();
}

function clicked({ quick, position: { x, y } }) {
  const object = quick && on.checked ? objectAt(all(), stage.pictureAt(x, y)) : undefined;
  if (object && !hidden.has(object.name)) toggle(object);
}

function showControls() {
  at("opacity-row").hidden = !on.checked;
  at("legend").hidden = !on.checked || !at("legend").children.length;
  at("opacity-value").textContent = `${slider.value} %`;
  if (stage) stage.opacity = layerOpacity() ?? 0;
}

const view = () => document.querySelector("input[name=view]:checked").value;

/** One pane with the layer, two beside each other, or one with a divider. */
async function arrange() {
  const chosen = view();
  viewport.classList.toggle("beside", chosen === "beside");
  at("pane-plain").hidden = chosen !== "beside";
  divider.hidden = at("divider-line").hidden = chosen !== "swipe";
  if (stage) viewport.setAttribute("aria-busy", "true");
  await stage?.showBeside(chosen === "beside");
  moveDivider();
}

function moveDivider() {
  at("divider-line").style.left = `${divider.value}%`;
  if (stage) stage.divider = divider.hidden ? null : divider.valueAsNumber / 100;
  drawn();
}

for (const control of [on, slider]) control.addEventListener("input", showControls);
on.addEventListener("input", drawn);
outlines.addEventListener("input", drawn);
divider.addEventListener("input", moveDivider);
pane.addEventListener("pointermove", hover);
pane.addEventListener("pointerleave", () => {
  tip.hidden = true;
  marked = undefined;
  drawn();
});
for (const choice of document.querySelectorAll("input[name=view]")) choice.addEventListener("change", arrange);
at("zoom-in").addEventListener("click", () => stage.zoomBy(ZOOM_STEP));
at("zoom-out").addEventListener("click", () => stage.zoomBy(1 / ZOOM_STEP));
at("zoom-all").addEventListener("click", () => stage.showAll());
at("zoom-pixels").addEventListener("click", () => stage.zoomToPixels());
at("full-screen").addEventListener("click", () =>
  document.fullscreenElement ? document.exitFullscreen() : at("viewer").requestFullscreen(),
);
