// The API key, where the service wants one: asked for when it is needed, kept for this tab only.

import { Problem } from "./problem.js";
import { ROOT, rooted } from "./root.js";

const STORED_AS = `oncoserve-api-key${ROOT}`;
const REFUSED = "unauthorised"; // the service's code

const dialog = document.getElementById("key-dialog");
const form = document.getElementById("key-form");
const field = document.getElementById("key");
const hint = document.getElementById("key-hint");

let asking = null; // a promise, while the dialog is open

const headersFor = (key) => (key ? { "X-API-Key": key } : {});
const stored = () => sessionStorage.getItem(STORED_AS);

/** Whether requests carry a key, which links and images cannot do. */
export const hasKey = () => stored() !== null;

/** Whether a request made now would ask the user for a key first. */
const keyIsMissing = () => "required" in dialog.dataset && !hasKey();

/**
 * Send a request with the key, and ask for another one as long as the service refuses it.
 * @param {(headers: Object<string, string>) => Promise<T>} send rejects with a Problem.
 * @returns {Promise<T>}
 * @template T
 */
export async function withKey(send) {
  if (keyIsMissing()) await ask(); // before a large picture is sent in vain
  for (;;) {
    try {
      return await send(headersFor(stored()));
    } catch (error) {
      if (error.code !== REFUSED) throw error;
      sessionStorage.removeItem(STORED_AS);
      await ask();
    }
  }
}

function ask() {
  asking ??= new Promise(open).finally(() => {
    asking = null;
  });
  return asking;
}

function open(resolve, reject) {
  hint.textContent = "";
  form.onsubmit = async (event) => {
    event.preventDefault();
    const key = field.value;
    if (await isUnknown(key)) {
      hint.textContent = "The service does not know this key.";
      field.select();
      return;
    }
    sessionStorage.setItem(STORED_AS, key);
    resolve();
    dialog.close();
  };
  dialog.onclose = () => {
    field.value = "";
    reject(refusal()); // does nothing after `resolve`
  };
  dialog.showModal();
}

/** Whether the service refuses the key; false also when it cannot be asked now. */
async function isUnknown(key) {
  try {
    const answer = await fetch(rooted("/v1/models"), { headers: headersFor(key) });
    await answer.blob();
    return answer.status === 401;
  } catch {
    return false;
  }
}

const refusal = () =>
  new Problem({
    title: "An API key is needed",
    detail: "This service answers only with one. Try again and enter yours; the operator of the service gives it out.",
    mild: true,
  });

document.getElementById("key-cancel").addEventListener("click", () => dialog.close());
