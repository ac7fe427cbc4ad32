// The results asked for in this browser. Only ids, models and times are kept, and only here: without keys the service
// cannot tell its callers apart, so that a list on the server would show everybody's to everybody.

import { readResult, showIn } from "./api.js";
import { cards } from "./form.js";
import { ROOT } from "./root.js";
import { TASKS } from "./tasks.js";
import { time } from "./wording.js";

const STORED_AS = `oncoserve-results${ROOT}`;
const LONGEST = 24;

const at = (id) => document.getElementById(id);

/** The entries, newest first: { id, model, time }. What somebody else wrote under our name counts as nothing. */
function read() {
  try {
    const found = JSON.parse(localStorage.getItem(STORED_AS));
    return Array.isArray(found) ? found.filter(({ id }) => /^[0-9a-f]{32}$/.test(id)) : [];
  } catch {
    return [];
  }
}

function write(entries) {
  try {
    localStorage.setItem(STORED_AS, JSON.stringify(entries.slice(0, LONGEST)));
  } catch {
    // Storage is full or forbidden: the page works without the list.
  }
  refresh();
}

const without = (id) => read().filter((entry) => entry.id !== id);

/** Put a result on top of the list. */
export const remember = ({ id, model }) => write([{ id, model, time: new Date().toISOString() }, ...without(id)]);

/** Take a result from the list. */
export const forget = (id) => write(without(id));

/** Show the list when it is opened. */
export function offerHistory() {
  at("history").addEventListener("toggle", refresh);
  at("history-clear").addEventListener("click", () => {
    write([]);
    at("history-status").textContent = "The list is empty. The results themselves were not deleted.";
  });
  window.addEventListener("storage", refresh); // another tab
  refresh();
}

function refresh() {
  const entries = read();
  at("history-count").textContent = `(${entries.length})`;
  at("history-clear").hidden = !entries.length;
  at("history-status").textContent = "";
  if (at("history").open) at("history-list").replaceChildren(...entries.map(item));
}

function item({ id, model, time: when }) {
  const made = document.createElement("li");
  const image = Object.assign(document.createElement("img"), { alt: "", loading: "lazy", width: 48, height: 48 });
  const link = Object.assign(document.createElement("a"), { href: `#result=${id}` });
  const words = document.createElement("span");
  words.textContent = cards.get(model)?.title ?? model;
  const detail = document.createElement("small");
  detail.append(time(when));
  link.append(words, detail);
  made.append(image, link);
  describe(id, words, image).catch((error) => {
    words.textContent = error.code === "result_not_found" ? "Deleted, expired or another key's" : error.title;
    link.removeAttribute("href");
  });
  return made;
}

async function describe(id, words, image) {
  const result = await readResult(id);
  const { title, figure, unit } = TASKS[result.task].headline(result, cards.get(result.model));
  words.textContent = `${title} ${figure}${unit}`;
  await showIn(image, `${result.links.self}/thumbnail.jpg`);
}
