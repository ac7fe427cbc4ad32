// The threshold: the same result with other labels. The picture follows at once; the service counts from what it stored.
// No model is asked.

import { readResult } from "./api.js";
import { colourAt } from "./viewer.js";

const DEBOUNCE_MS = 150;

const row = document.getElementById("threshold-row");
const slider = document.getElementById("threshold");
const value = document.getElementById("threshold-value");
const status = document.getElementById("threshold-status");

let shown = null; // the result whose threshold can be changed
let tell = null;
let timer = 0;
let reading = null; // AbortController

/**
 * Offer to change the threshold of a result that has one.
 * @param {object} result
 * @param {(result: object) => string} listener gets the result at its new threshold; returns what to announce.
 */
export function offerThreshold(result, listener) {
  withdrawThreshold();
  row.hidden = result.threshold === undefined;
  if (row.hidden) return;
  [shown, tell] = [result, listener];
  set(result.threshold);
}

/** Forget the result, and what is under way for it. */
export function withdrawThreshold() {
  forgetWaiting();
  row.hidden = true;
  announce("");
}

function forgetWaiting() {
  clearTimeout(timer);
  reading?.abort();
}

function set(threshold) {
  slider.value = threshold;
  write();
}

function write() {
  value.textContent = slider.valueAsNumber.toFixed(2);
}

function announce(text, failed = false) {
  status.textContent = text;
  status.classList.toggle("visually-hidden", !failed);
}

async function apply() {
  reading = new AbortController();
  const { signal } = reading;
  try {
    const result = await readResult(shown.id, signal, { threshold: slider.value });
    signal.throwIfAborted();
    shown = result;
    announce(tell(result));
  } catch (error) {
    if (signal.aborted) return; // a newer one is under way
    set(shown.threshold);
    colourAt(shown.threshold);
    tell(shown); // the objects were forgotten when the slider moved
    announce(`Another threshold could not be shown. ${error.message}`, true);
  }
}

slider.addEventListener("input", () => {
  write();
  colourAt(slider.valueAsNumber);
  forgetWaiting();
  timer = setTimeout(apply, DEBOUNCE_MS);
});
