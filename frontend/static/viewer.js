// The picture and the layer over it. Opacity is CSS: no request, no drawing.

const picture = document.getElementById("picture");
const overlay = document.getElementById("overlay");
const hint = document.getElementById("viewport-hint");
const viewport = document.getElementById("viewport");
const controls = document.getElementById("layer");
const on = document.getElementById("layer-on");
const row = document.getElementById("opacity-row");
const slider = document.getElementById("opacity");
const value = document.getElementById("opacity-value");

let layer = null;
let held = null;

/** Opacity of the layer as set by the user, 0 to 1; null while it is switched off. */
export const layerOpacity = () => (on.checked && layer ? slider.valueAsNumber / 100 : null);

/** Call `listener` whenever `layerOpacity` may have changed. */
export function onLayerChange(listener) {
  for (const control of [on, slider]) control.addEventListener("input", listener);
}

/**
 * Show a picture, without a layer. Browsers turn it upright by its EXIF orientation, as the service does.
 * @param {Blob|string} source
 * @param {string} alt
 * @param {string} background what shows through transparent pixels.
 * @returns {Promise<boolean>} whether the browser could show it.
 */
export async function showPicture(source, alt, background) {
  clear();
  if (source instanceof Blob) held = URL.createObjectURL(source);
  const shown = await load(picture, held ?? source);
  picture.alt = alt;
  picture.style.backgroundColor = background;
  picture.hidden = !shown;
  hint.hidden = shown;
  hint.textContent = "This browser cannot show the picture.";
  return shown;
}

/** Size of the picture on show, upright, in pixels. */
export const pictureSize = () => [picture.naturalWidth, picture.naturalHeight];

/** Offer a layer of the picture's size; it is fetched when it is first switched on. */
export function offerLayer(source, saliency) {
  layer = source;
  document.getElementById("layer-caption").textContent = saliency.caption;
  document.getElementById("layer-figures").textContent = `${saliency.figures} Method: ${saliency.method}.`;
  controls.hidden = false;
  drawLayer();
}

/** Show nothing, and say why. */
export function clear(reason = "The picture appears here.") {
  if (held) URL.revokeObjectURL(held);
  held = layer = null;
  for (const image of [picture, overlay]) {
    image.hidden = true;
    image.removeAttribute("src");
  }
  controls.hidden = true;
  on.checked = false;
  hint.hidden = false;
  hint.textContent = reason;
}

async function drawLayer() {
  row.hidden = !on.checked;
  value.textContent = `${slider.value} %`;
  overlay.style.opacity = slider.valueAsNumber / 100;
  if (on.checked && !overlay.hasAttribute("src")) {
    viewport.setAttribute("aria-busy", "true");
    const wanted = layer;
    const shown = await load(overlay, wanted);
    viewport.removeAttribute("aria-busy");
    if (wanted !== layer) return;
    if (!shown) {
      overlay.removeAttribute("src"); // so that the next switch tries again
      on.checked = false;
      row.hidden = true;
      document.getElementById("layer-caption").textContent = "The map could not be loaded; switch it on to try again.";
    }
  }
  overlay.hidden = !on.checked;
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
