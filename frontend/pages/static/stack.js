// The slices of a job's series, one at a time: by a slider, its arrow keys, or the wheel. Only what is looked at is
// fetched, and the slices beside it.

import { readPicture } from "./api.js";
import { inShort } from "./finding.js";
import { classOf } from "./result.js";
import { rooted } from "./root.js";

const SIDE = 768; // of a slice, pixels
const KEPT = 48; // slices in memory
const BESIDE = [1, -1, 2]; // fetched before they are asked for
const STEP_PX = 40; // of a wheel or a touchpad to the next slice
const REST_MS = 80; // how long a slice is looked at before it is fetched

const WHY_NO_VOLUME = {
  not_ended: "the job has not ended",
  not_outlined: "the model outlines nothing",
  one_slice: "it is one slice",
  position_unknown: "the slices do not say where they lie",
  position_repeated: "slices lie at the same place",
  not_parallel: "the slices are not parallel",
  not_evenly_spaced: "the slices are not evenly spaced",
  pixel_size_unknown: "the size of a pixel is not known",
  slice_missing: "a slice has no result",
};

const at = (id) => document.getElementById(id);
const slider = at("stack-slice");
const picture = at("stack-picture");
const choice = at("stack-series");

const pictures = new Map(); // promises of object URLs by address, the one used last at the end
let job = null;
let card = null;
let shown = null; // the series
let resting = null;
let wheel = 0;

/** Offer the series of a job; called again when more of it is there. */
export function offerStack(newJob, newCard) {
  [job, card] = [newJob, newCard];
  const series = job.series ?? [];
  at("stack").hidden = !series.length;
  if (!series.length) return;
  const place = Math.max(choice.selectedIndex, 0);
  choice.replaceChildren(...series.map((each, number) => new Option(titleOf(each, number))));
  choice.selectedIndex = place;
  choice.parentElement.hidden = series.length === 1;
  take(series[place]);
}

const titleOf = ({ plane, images }, number) => `Series ${number + 1}: ${slices(images.length)}${plane && `, ${plane}`}`;
const slices = (count) => (count === 1 ? "1 slice" : `${count} slices`);
const mm2 = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 3 });
const number = (value) => value.toLocaleString("en-GB", { maximumFractionDigits: 1 });

function take(series) {
  const before = shown?.series === series.series ? shown.images[slider.valueAsNumber - 1] : undefined;
  const found = series.largest?.image ?? series.found[0]; // a stack opens where there is something to see
  const place = series.images.indexOf(before ?? found);
  shown = series;
  slider.max = series.images.length;
  slider.value = Math.max(place, 0) + 1;
  at("stack-summary").replaceChildren(...summary(series).map(([name, words]) => pair(name, words)));
  at("stack-marks").replaceChildren(...series.found.map((image) => mark(series, image)));
  show();
}

function summary({ images, plane, found, unanswered, labels, largest, volume_mm3, no_volume }) {
  const where = (some) => ranges(some.map((each) => images.indexOf(each) + 1));
  const named = Object.entries(labels).map(([name, some]) => `${classOf(card, name).title} on ${some.length} (${where(some)})`);
  const points = card?.task !== "classification"; // that one says what is on a slice, not where
  return [
    ["Slices", `${images.length}${plane && `, ${plane}`}`],
    ["Something found on", points ? (found.length ? `${slices(found.length)}: ${where(found)}` : "none") : ""],
    ["Classes", named.join(", ") || "none"],
    ["Without an answer", unanswered.length ? slices(unanswered.length) : ""],
    ["Largest on one slice", largest ? largestWords(largest, images) : ""],
    ["Volume", volume_mm3 === null ? `none: ${WHY_NO_VOLUME[no_volume] ?? no_volume}` : `${number(volume_mm3 / 1000)} cm³, the sum of the slices' areas`],
  ].filter(([, words]) => words);
}

function largestWords({ image, position_mm, area_px, area_mm2, longest_diameter_px, longest_diameter_mm }, images) {
  const area = area_mm2 === null ? `${number(area_px)} pixels` : `${mm2.format(area_mm2)} mm²`;
  const longest = longest_diameter_mm === null ? [longest_diameter_px, "pixels"] : [longest_diameter_mm, "mm"];
  const diameter = longest[0] === null ? "" : `, ${number(longest[0])} ${longest[1]} at the longest`;
  return `${area}${diameter}, on slice ${images.indexOf(image) + 1}${positionWords(position_mm)}`;
}

const positionWords = (mm) => (typeof mm === "number" ? ` at ${number(mm)} mm` : "");

/** Numbers in rising order as people write them: 1-3, 7. */
function ranges(numbers) {
  const parts = [];
  for (const each of numbers) {
    if (parts.at(-1)?.[1] === each - 1) parts.at(-1)[1] = each;
    else parts.push([each, each]);
  }
  return parts.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(", ");
}

function mark({ images, largest }, image) {
  const made = document.createElement("span");
  made.className = image === largest?.image ? "largest" : "";
  made.style.left = `${(100 * images.indexOf(image)) / Math.max(images.length - 1, 1)}%`;
  return made;
}

/** Say what the slice is, at once, and show it as soon as it is there. */
function show() {
  const place = slider.valueAsNumber - 1;
  const { finding, result } = job.images[shown.images[place]];
  const where = `Slice ${place + 1} of ${shown.images.length}${positionWords(finding?.slice?.position_mm)}`;
  const said = finding ? inShort(finding, card) : "";
  slider.setAttribute("aria-valuetext", `${where}: ${said}`);
  at("stack-words").textContent = `${where}: ${said}`;
  at("stack-open").href = rooted(`/#result=${result}`);
  clearTimeout(resting);
  resting = setTimeout(() => draw(place), pictures.has(addressOf(place)) ? 0 : REST_MS);
}

async function draw(place) {
  const address = addressOf(place);
  picture.parentElement.ariaBusy = "true";
  try {
    const url = await fetched(address);
    if (address !== addressOf(slider.valueAsNumber - 1)) return; // another slice is looked at now
    picture.src = url;
    picture.alt = at("stack-words").textContent;
    picture.hidden = false;
    at("stack-problem").textContent = "";
  } catch (error) {
    pictures.delete(address);
    if (address !== addressOf(slider.valueAsNumber - 1)) return;
    picture.hidden = true;
    at("stack-problem").textContent = `The slice could not be shown. ${error.message}`;
  }
  picture.parentElement.ariaBusy = null;
  for (const step of BESIDE) if (shown.images[place + step] !== undefined) fetched(addressOf(place + step)).catch(() => {});
}

function addressOf(place) {
  const { links } = job.images[shown.images[place]];
  const layer = at("stack-overlay").checked && links.overlay ? "overlay" : "none";
  return `${links.result}/thumbnail.jpg?side=${SIDE}&layer=${layer}`;
}

function fetched(address) {
  const found = pictures.get(address) ?? readPicture(address).then((blob) => URL.createObjectURL(blob));
  pictures.delete(address);
  pictures.set(address, found);
  found.catch(() => pictures.delete(address)); // it is asked for again
  if (pictures.size > KEPT) {
    const [oldest, url] = pictures.entries().next().value;
    pictures.delete(oldest);
    url.then(URL.revokeObjectURL, () => {});
  }
  return found;
}

function scroll(event) {
  event.preventDefault();
  wheel += event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * STEP_PX;
  const steps = Math.trunc(wheel / STEP_PX);
  if (!steps) return;
  wheel -= steps * STEP_PX;
  slider.value = slider.valueAsNumber + steps;
  show();
}

function pair(name, words) {
  const made = document.createElement("div");
  const [term, text] = ["dt", "dd"].map((tag) => document.createElement(tag));
  [term.textContent, text.textContent] = [name, words];
  made.append(term, text);
  return made;
}

slider.addEventListener("input", show);
at("stack-overlay").addEventListener("input", show);
picture.parentElement.addEventListener("wheel", scroll, { passive: false });
choice.addEventListener("input", () => take(job.series[choice.selectedIndex]));
