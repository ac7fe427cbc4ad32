// How long something in the picture is: a bar of a round length.

const LONGEST_PX = 140; // of the page
const ROUND = [5, 2, 1];
const UM_PER_MM = 1000;

/**
 * The longest round length that is not too long on the page.
 * @param {number} perPixel of the page, in the unit of the length.
 * @returns {[number, number]} the length, and the bar's in pixels of the page.
 */
function longest(perPixel) {
  const most = LONGEST_PX * perPixel;
  const decade = 10 ** Math.floor(Math.log10(most));
  const length = ROUND.find((each) => each * decade <= most) * decade;
  return [length, length / perPixel];
}

/**
 * Show the bar for a scale.
 * @param {HTMLElement} bar
 * @param {number} scale pixels of the page to a pixel of the picture.
 * @param {number | null} umPerPx micrometres to a pixel of the picture, if known.
 */
export function showScale(bar, scale, umPerPx) {
  const [length, width] = longest((umPerPx ?? 1) / scale);
  bar.style.width = `${width}px`;
  const number = (value) => Number(value.toPrecision(1)).toString();
  if (!umPerPx) bar.textContent = `${number(length)} px`;
  else bar.textContent = length < UM_PER_MM ? `${number(length)} µm` : `${number(length / UM_PER_MM)} mm`;
}
