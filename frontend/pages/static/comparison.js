// What another model says about the same picture, where two of them answer the same question.

import { askLater, readComparison } from "./api.js";
import { rooted } from "./root.js";

const at = (id) => document.getElementById(id);
const part = at("comparison");

let asking = null; // AbortController

/**
 * Ask the other model, too, and say whether the two agree.
 * @param {object} result the one on show.
 * @param {object | undefined} other the other model's card; undefined where it is not served.
 * @param {File | null} picture what was asked about; null: it was asked earlier, and only what is stored is compared.
 */
export async function compareAnswers(result, other, picture) {
  withdrawComparison();
  if (!other) return;
  asking = new AbortController();
  const { signal } = asking;
  part.ariaBusy = "true";
  try {
    if (picture) {
      say({ message: `Asking ${other.title}, too.` });
      await askLater(other.name, picture, signal);
    }
    const found = await readComparison(result.id, signal);
    if (!signal.aborted) say(found);
  } catch (error) {
    if (!signal.aborted) say({ message: `${other.title} could not be asked, too. ${error.message}` });
  }
  if (!signal.aborted) part.ariaBusy = null;
}

/** Forget the result, and what is under way for it. */
export function withdrawComparison() {
  asking?.abort();
  part.hidden = true;
  part.ariaBusy = null;
}

function say({ message, result = null, agrees = null }) {
  part.hidden = false;
  part.classList.toggle("differs", agrees === false);
  at("comparison-words").textContent = message;
  at("comparison-link").hidden = result === null;
  at("comparison-link").href = rooted(`/#result=${result}`);
}
