// The window of a grey picture: which of its grey levels are spread from black to white, as radiologists have it. Only
// what is on the screen changes.

const LEVELS = 256;
const DIGITS = 5;
const NOTES = {
  levels: "Grey levels on this screen only: the model's answer and the files stay as they are.",
  values: "In the file's own units, on this screen only. The model saw what Reset shows; its answer and the files stay as they are.",
};
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
let whole = WHOLE; // what Reset gives: what the model saw
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

/** What each of a file's numbers becomes: as the service does it, from black to white along the width. */
export function valueTable({ low, step, steps, inverted }, { centre: middle, width: range }) {
  return Uint8ClampedArray.from({ length: steps + 1 }, (_, each) => {
    const grey = ((low + step * each - middle) / range + 0.5) * (LEVELS - 1);
    return inverted ? LEVELS - 1 - grey : grey;
  });
}

/** Colours of a file's numbers in a window; see Tiles. */
function valueColours(values, view) {
  const table = valueTable(values, view);
  return (from, to) => {
    const bytes = new Uint8ClampedArray(to.buffer);
    for (let at = 0; at < bytes.length; at += 4) {
      bytes.fill(table[from[at] * LEVELS + from[at + 1]], at, at + 3);
      bytes[at + 3] = LEVELS - 1;
    }
  };
}

/** Colours of a picture in a window; see Tiles. */
function windowColours(view) {
  const table = windowTable(view);
  return (from, to) => {
    const bytes = new Uint8ClampedArray(to.buffer);
    for (let at = 0; at < bytes.length; at++) bytes[at] = at % 4 === 3 ? from[at] : table[from[at]];
  };
}

/**
 * Offer to change the window while the picture on a stage is grey, as far as it has been seen.
 * @param {{ low: number, high: number } | undefined} seen what became black and white for the model, of a DICOM file.
 */
export function offerWindow(shown, seen) {
  const grey = shown.values !== undefined || shown.greys.grey;
  if (shown === stage && grey !== part.hidden) return;
  if (shown !== stage) {
    withdrawWindow();
    bound(shown.values, seen);
  }
  stage = shown;
  stage.onDrag = dragged;
  if (!grey && !part.hidden) reset();
  part.hidden = !grey;
}

/** Let the sliders go over the numbers of a file, or over grey levels. */
function bound(values, seen) {
  const { low, step, steps } = values ?? { low: 0, step: 1, steps: LEVELS - 1 };
  const high = low + step * steps;
  [centre.min, centre.max, centre.step] = [low, high, step];
  [width.min, width.max, width.step] = [step, Math.max(2 * (high - low), 2 * step) + (values ? 0 : 2), step];
  if (values) {
    const [black, white] = typeof seen?.low === "number" ? [seen.low, seen.high] : [low, high];
    whole = { centre: (black + white) / 2, width: white - black };
    centre.min = Math.min(low, whole.centre);
    centre.max = Math.max(high, whole.centre);
    width.max = Math.max(Number(width.max), whole.width);
  } else whole = WHOLE;
  at("window-note").textContent = values ? NOTES.values : NOTES.levels;
  at("window-reset").title = values ? "The window that the model saw" : "All grey levels, 0 to 255";
  reset();
}

/** Forget the picture. */
export function withdrawWindow() {
  stage = null;
  part.hidden = true;
  reset();
  switchDrag(false);
}

function set(wanted) {
  const within = ({ min, max }, value) => Math.min(Math.max(value, min), max);
  view = { centre: within(centre, wanted.centre), width: within(width, wanted.width) };
  [centre.value, width.value] = [view.centre, view.width];
  tell();
  const now = { centre: centre.valueAsNumber, width: width.valueAsNumber };
  stage?.colourPicture(stage.values ? valueColours(stage.values, now) : windowColours(now));
}

const tell = () => {
  for (const slider of [centre, width]) {
    at(`${slider.id}-value`).textContent = String(Number(slider.valueAsNumber.toPrecision(DIGITS)));
  }
};

/** The picture as the model saw it. */
function reset() {
  if (!stage?.values) return set(whole);
  view = whole;
  [centre.value, width.value] = [view.centre, view.width];
  tell();
  stage.colourPicture(null);
}

/** From nearly the darkest to nearly the brightest. */
function spread() {
  if (!stage.values) return set(stage.greys.auto);
  const { dark, bright } = stage.values;
  set({ centre: (dark + bright) / 2, width: bright - dark });
}

/** Take a movement over the picture, or its end: to the right for a wider window, upwards for a higher centre. */
function dragged({ delta, originalEvent }) {
  if (part.hidden || !(drag.ariaPressed === "true" || originalEvent?.shiftKey)) return false;
  const unit = stage.values ? Math.max(stage.values.step * stage.values.steps, 1e-9) / LEVELS : 1; // to a pixel
  if (delta) set({ centre: view.centre - delta.y * unit, width: view.width + delta.x * unit });
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
at("window-auto").addEventListener("click", spread);
at("window-reset").addEventListener("click", reset);
