// The picture and the layer over it. Opacity is CSS: no request, no drawing.

import { readPicture } from "./api.js";

const at = (id) => document.getElementById(id);
const picture = at("picture");
const overlay = at("overlay");
const hint = at("viewport-hint");
const viewport = at("viewport");
const on = at("layer-on");
const slider = at("opacity");

const WIDEST = 2; // of the place for the picture: width by height
const TALLEST = 0.75;

let layer = null; // { source, caption, ... }
let held = null;

/** Opacity of the layer as set by the user, 0 to 1; null while it is switched off. */
export const layerOpacity = () => (on.checked && layer ? slider.valueAsNumber / 100 : null);

/** Call `listener` whenever `layerOpacity` may have changed. */
export function onLayerChange(listener) {
  for (const control of [on, slider]) control.addEventListener("input", listener);
}

/**
 * Show a picture, without a layer. Browsers turn it upright by its EXIF orientation, as the service does.
 * @param {Blob} source
 * @param {string} alt
 * @param {string} background what shows around it and through transparent pixels.
 * @returns {Promise<boolean>} whether the browser could show it.
 */
export async function showPicture(source, alt, background) {
  clear();
  held = URL.createObjectURL(source);
  const shown = await load(picture, held);
  if (shown) {
    const [width, height] = pictureSize();
    viewport.style.aspectRatio = Math.min(WIDEST, Math.max(TALLEST, width / height));
    viewport.style.backgroundColor = background;
  }
  picture.alt = alt;
  picture.hidden = !shown;
  hint.hidden = shown;
  hint.textContent = "This browser cannot show the picture.";
  return shown;
}

/** Size of the picture on show, upright, in pixels. */
export const pictureSize = () => [picture.naturalWidth, picture.naturalHeight];

/**
 * Offer a layer of the picture's size; it is fetched when it is first switched on.
 * @param {string} source
 * @param {{title: string, on: boolean, legend: {title: string, colour: string}[], caption: string, note: string}} what
 */
export function offerLayer(source, what) {
  layer = { source, ...what };
  on.checked = layer.on;
  at("layer-title").textContent = layer.title;
  at("layer-note").textContent = layer.note;
  at("legend").replaceChildren(...layer.legend.map(entry));
  at("layer").hidden = false;
  drawLayer();
}

/** Put another layer in the place of the one on offer; that one stays in sight until the new one is there. */
export function changeLayer(source) {
  layer = { ...layer, source };
  drawLayer();
}

/** Show nothing, and say why. */
export function clear(reason = "The picture appears here.") {
  if (held) URL.revokeObjectURL(held);
  held = layer = null;
  dropLayer();
  picture.hidden = overlay.hidden = true;
  picture.removeAttribute("src");
  viewport.style.aspectRatio = viewport.style.backgroundColor = "";
  viewport.removeAttribute("aria-busy");
  at("layer").hidden = true;
  on.checked = false;
  hint.hidden = false;
  hint.textContent = reason;
}

async function drawLayer() {
  const wanted = layer;
  showControls(wanted.caption);
  if (on.checked && overlay.dataset.source !== wanted.source) {
    viewport.setAttribute("aria-busy", "true");
    const shown = await loadLayer(wanted);
    if (wanted !== layer) return;
    viewport.removeAttribute("aria-busy");
    if (!shown) {
      dropLayer(); // so that the next switch tries again
      on.checked = false;
      showControls("The layer could not be loaded; switch it on to try again.");
    }
  }
  overlay.hidden = !on.checked;
}

async function loadLayer(wanted) {
  const blob = await readPicture(wanted.source).catch(() => null);
  if (!blob || wanted !== layer) return false;
  dropLayer();
  overlay.dataset.source = wanted.source;
  return load(overlay, URL.createObjectURL(blob));
}

function dropLayer() {
  if (overlay.dataset.source) URL.revokeObjectURL(overlay.src);
  overlay.removeAttribute("src");
  delete overlay.dataset.source;
}

function showControls(caption) {
  at("opacity-row").hidden = !on.checked;
  at("legend").hidden = !on.checked || !layer.legend.length;
  at("layer-caption").textContent = caption;
  at("opacity-value").textContent = `${slider.value} %`;
  overlay.style.opacity = slider.valueAsNumber / 100;
}

function entry({ title, colour }) {
  const made = document.createElement("li");
  const swatch = document.createElement("span");
  swatch.style.backgroundColor = colour;
  made.append(swatch, title);
  return made;
}

/** Whether an image could be loaded; false also when another one was asked for meanwhile. */
function load(image, source) {
  image.src = source;
  return image.decode().then(
    () => true,
    () => false,
  );
}

on.addEventListener("input", drawLayer);
slider.addEventListener("input", drawLayer);
