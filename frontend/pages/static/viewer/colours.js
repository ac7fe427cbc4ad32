// Strengths to colours, in the browser: a slider's new picture needs no request. A pixel is one 32-bit number.

const STRENGTHS = 256;

function rgba(colour, alpha) {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  return new Uint32Array(Uint8Array.of(red, green, blue, alpha).buffer)[0];
}

/**
 * Colours of a layer of classes: the first whose strength is over the threshold has the pixel.
 * @param {{name: string, colour: string}[]} classes one for each channel.
 * @param {() => {threshold: number, hidden: Set<string>}} state as the controls have it.
 * @returns {(from: Uint8ClampedArray, to: Uint32Array) => void} colours RGBA samples.
 */
export function classColours(classes, state) {
  return (from, to) => {
    const { threshold, hidden } = state();
    const least = Math.floor(threshold * 255); // as the service has it
    const [first, second, third] = classes.map(({ name, colour }) => (hidden.has(name) ? 0 : rgba(colour, 255)));
    for (let pixel = 0, at = 0; pixel < to.length; pixel++, at += 4) {
      if (from[at] > least) to[pixel] = first;
      else if (from[at + 1] > least) to[pixel] = second;
      else to[pixel] = from[at + 2] > least ? third : 0;
    }
  };
}

/**
 * Colours of a layer of the strongest class, its strength, and the class below the threshold; 1 is the first class.
 * @param {{name: string, colour: string}[]} classes
 * @param {() => {threshold: number, hidden: Set<string>}} state as the controls have it.
 */
export function strongestColours(classes, state) {
  return (from, to) => {
    const { threshold, hidden } = state();
    const least = Math.floor(threshold * 255);
    const table = [0, ...classes.map(({ name, colour }) => (hidden.has(name) ? 0 : rgba(colour, 255)))];
    for (let pixel = 0, at = 0; pixel < to.length; pixel++, at += 4) {
      to[pixel] = table[(from[at + 1] > least && from[at]) || from[at + 2]];
    }
  };
}

/**
 * Colours of a layer of heat: the stronger, the further along the colours and the more opaque.
 * @param {string[]} stops at even distances from no strength to full.
 */
export function heatColours(stops) {
  const table = Uint32Array.from({ length: STRENGTHS }, (_, strength) => {
    const place = (strength / (STRENGTHS - 1)) * (stops.length - 1);
    const [below, above] = [stops[Math.floor(place)], stops[Math.ceil(place)]];
    const mixed = [1, 3, 5].map((at) => {
      const [low, high] = [below, above].map((colour) => Number.parseInt(colour.slice(at, at + 2), 16));
      return Math.floor(low + (high - low) * (place % 1))
        .toString(16)
        .padStart(2, "0");
    });
    return rgba(`#${mixed.join("")}`, strength);
  });
  return (from, to) => {
    for (let pixel = 0, at = 0; pixel < to.length; pixel++, at += 4) to[pixel] = table[from[at]];
  };
}
