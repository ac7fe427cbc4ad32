// The window of a grey picture: which of its grey levels are spread from black to white, as radiologists have it. Only
// what is on the screen changes.

const LEVELS = 256;
const WHOLE = { centre: 128, width: 256 }; // changes nothing
const SIDE = 128; // samples a tile is judged by, along an axis
const COLOURED = 16; // levels between a sample's channels from which on it has a colour
const MOST_COLOURED = 0.01; // of a grey picture's samples: an arrow, a date
const AUTO = [0.01, 0.99]; // parts of the samples that are left out at the dark end and the bright one

const at = (id) => document.getElementById(id);
const part = at("window");
const centre = at("window-centre");
const width = at("window-width");
const drag = at("window-drag");

let stage = null;
let view = WHOLE; // as the sliders have it, and what is left of a level after a movement

/** What the tiles seen so far say about a picture: whether it is grey, and how many samples have each level. */
export class Greys {
  #counts = new Uint32Array(LEVELS);
  #coloured = 0;
  #all = 0;
  #context = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });

  /** Take some samples of a tile. */
  look(bitmap) {
    this.#context.imageSmoothingEnabled = false; // a mean of two levels is none of the picture's
    this.#context.drawImage(bitmap, 0, 0, SIDE, SIDE);
    const { data } = this.#context.getImageData(0, 0, SIDE, SIDE);
    for (let at = 0; at < data.length; at += 4) {
      const [red, green, blue] = [data[at], data[at + 1], data[at + 2]];
      this.#counts[green] += 1;
      if (Math.max(red, green, blue) - Math.min(red, green, blue) >= COLOURED) this.#coloured += 1;
    }
    this.#all += data.length / 4;
  }

  get grey() {
    return this.#all > 0 && this.#coloured <= MOST_COLOURED * this.#all;
  }

  /** The window from nearly the darkest level to nearly the brightest. */
  get auto() {
    const [low, high] = AUTO.map((share) => this.#levelAt(share * this.#all));
    return { centre: Math.round((low + high + 1) / 2), width: Math.max(high - low + 1, 2) };
  }

  #levelAt(wanted) {
    let sum = 0;
    return this.#counts.findIndex((count) => (sum += count) >= wanted);
  }
}

/**
 * DICOM's linear function for 8 bits (PS3.3 C.11.2.1.2.1).
 * @returns {Uint8ClampedArray} what each of the 256 levels becomes.
 */
export function windowTable({ centre: middle, width: range }) {
  const black = middle - 0.5 - (range - 1) / 2;
  return Uint8ClampedArray.from({ length: LEVELS }, (_, level) => {
    if (level <= black) return 0;
    if (level > black + range - 1) return LEVELS - 1;
    return ((level - middle + 0.5) / (range - 1) + 0.5) * (LEVELS - 1);
  });
}

/** Colours of a picture in a window; see Tiles. */
function windowColours(view) {
  const table = windowTable(view);
  return (from, to) => {
    const bytes = new Uint8ClampedArray(to.buffer);
    for (let at = 0; at < bytes.length; at++) bytes[at] = at % 4 === 3 ? from[at] : table[from[at]];
  };
}

/** Offer to change the window while the picture on a stage is grey, as far as it has been seen. */
export function offerWindow(shown) {
  if (shown === stage && shown.greys.grey !== part.hidden) return;
  if (shown !== stage) withdrawWindow();
  stage = shown;
  stage.onDrag = dragged;
  if (!stage.greys.grey && !part.hidden) set(WHOLE);
  part.hidden = !stage.greys.grey;
}

/** Forget the picture. */
export function withdrawWindow() {
  stage = null;
  part.hidden = true;
  set(WHOLE);
  switchDrag(false);
}

function set(wanted) {
  const within = ({ min, max }, value) => Math.min(Math.max(value, min), max);
  view = { centre: within(centre, wanted.centre), width: within(width, wanted.width) };
  [centre.value, width.value] = [view.centre, view.width];
  at("window-centre-value").textContent = centre.value;
  at("window-width-value").textContent = width.value;
  stage?.colourPicture(windowColours({ centre: centre.valueAsNumber, width: width.valueAsNumber }));
}

/** Take a movement over the picture, or its end: to the right for a wider window, upwards for a higher centre. */
function dragged({ delta, originalEvent }) {
  if (part.hidden || !(drag.ariaPressed === "true" || originalEvent?.shiftKey)) return false;
  if (delta) set({ centre: view.centre - delta.y, width: view.width + delta.x });
  return true;
}

function switchDrag(on) {
  drag.ariaPressed = String(on);
  at("viewport").classList.toggle("windowing", on);
}

for (const slider of [centre, width]) {
  slider.addEventListener("input", () => set({ centre: centre.valueAsNumber, width: width.valueAsNumber }));
}
drag.addEventListener("click", () => switchDrag(drag.ariaPressed !== "true"));
at("window-auto").addEventListener("click", () => set(stage.greys.auto));
at("window-reset").addEventListener("click", () => set(WHOLE));
