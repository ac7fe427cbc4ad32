// The requests to the service. Everything that can go wrong ends as a Problem in words.

import { hasKey, withKey } from "./key.js";
import { Problem } from "./problem.js";
import { rooted } from "./root.js";

const KEEP_FILE_MS = 60_000; // until a browser has surely begun to save it

const unreachable = () =>
  new Problem({
    title: "The service cannot be reached",
    detail: "The connection failed before an answer came. Check that the service runs and that you are online, then try again.",
  });

function problemOf(status, header, text) {
  const retryAfterS = Number.parseInt(header("Retry-After"), 10) || null;
  const requestId = header("X-Request-ID");
  const again = status >= 500; // a 4xx stays one until the request changes
  if ((header("Content-Type") ?? "").startsWith("application/problem+json")) {
    const { title, detail, code } = JSON.parse(text);
    return new Problem({ title, detail, code, requestId, retryAfterS, again });
  }
  const detail = "Something between this page and the service answered instead of it. Try again in a moment.";
  return new Problem({ title: `The answer was an unexpected ${status}`, detail, requestId, retryAfterS, again: true });
}

/** GET; throws a Problem, or an AbortError when cancelled. */
const get = (path, signal) => withKey((headers) => getWith(headers, path, signal));

const getWith = (headers, path, signal) => exchange(new Request(path, { headers, signal }), signal);

async function exchange(request, signal) {
  let response;
  let body;
  try {
    response = await fetch(request);
    body = await response.blob();
  } catch (error) {
    throw signal?.aborted ? error : unreachable();
  }
  if (!response.ok) throw problemOf(response.status, (name) => response.headers.get(name), await body.text());
  return body;
}

/** A path with a query, if there is any. */
export function address(path, query = {}) {
  const text = new URLSearchParams(query).toString();
  return text ? `${path}?${text}` : path;
}

/** A stored result, as it is with `view` (see the tasks). */
export async function readResult(id, signal, view) {
  return JSON.parse(await (await get(address(rooted(`/v1/results/${encodeURIComponent(id)}`), view), signal)).text());
}

/** A stored result beside that of the model that its model's card names. */
export async function readComparison(id, signal) {
  return JSON.parse(await (await get(rooted(`/v1/results/${encodeURIComponent(id)}/comparison`), signal)).text());
}

/** Ask a model about a picture whenever the service has nothing more urgent to do. */
export const askLater = (model, file, signal) => withKey((headers) => postLater(headers, model, file, signal));

function postLater(headers, model, file, signal) {
  const body = new FormData();
  body.append("image", file);
  const sent = { ...headers, Accept: "application/json", Priority: "u=6" };
  const path = rooted(`/v1/models/${encodeURIComponent(model)}/predict`);
  return exchange(new Request(path, { method: "POST", headers: sent, body, signal }), signal);
}

/** What can be looked at of a stored result: sizes, levels, layers. */
export async function readDescription(id, signal) {
  return JSON.parse(await (await get(rooted(`/v1/results/${encodeURIComponent(id)}/tiles`), signal)).text());
}

/** PUT a JSON value; resolves to the JSON of the answer. */
export const write = (path, value) => withKey((headers) => putWith(headers, path, value));

/** POST without a body; resolves to the JSON of the answer. */
export const post = (path) => withKey(async (headers) => json(await exchange(new Request(path, { method: "POST", headers }))));

async function putWith(headers, path, value) {
  const sent = { ...headers, "Content-Type": "application/json" };
  const request = new Request(path, { method: "PUT", headers: sent, body: JSON.stringify(value) });
  return JSON.parse(await (await exchange(request)).text());
}

/** A picture that the service keeps or draws. An image element would load it without the key. */
export const readPicture = (path, signal) => get(path, signal);

/** Save a file under a name, as a link would that could carry the key. */
export async function save(path, name) {
  const url = URL.createObjectURL(await get(path));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEEP_FILE_MS);
}

/** A sample picture, as a file like a chosen one. */
export async function readSample(path, signal) {
  const blob = await get(path, signal);
  return new File([blob], decodeURIComponent(path.split("/").pop()), { type: blob.type });
}

/** Whether everything is ready. */
export async function isReady() {
  return (await fetch(rooted("/readyz")).catch(() => null))?.ok ?? false;
}

/** The job of that id, with its images. */
export const readJob = async (id, signal) => json(await get(rooted(`/v1/jobs/${encodeURIComponent(id)}`), signal));

/** Some jobs, newest first: from the beginning, or from the address that the answer before named `next`. */
export const readJobs = async (from = rooted("/v1/jobs")) => json(await get(from));

/** The card of a model, of its newest version or of the one that is named. */
export async function readCard(model, version, signal) {
  const own = version === undefined ? "" : `/versions/${encodeURIComponent(version)}`;
  return (await json(await get(rooted(`/v1/models/${encodeURIComponent(model)}${own}`), signal))).card;
}

/**
 * The newest version's card where that of the version which made a result cannot be had, if both answer in the same way;
 * else undefined, and the service draws nothing of the result (results/maker.py).
 */
export function standIn(newest, { task, probabilities }) {
  if (newest?.task !== task) return undefined;
  const names = newest.classes.map(({ name }) => name).sort();
  return !probabilities || names.join() === Object.keys(probabilities).sort().join() ? newest : undefined;
}

/** The text at an address. */
export const readText = async (path) => (await get(path)).text();

/** Delete what is at an address. */
export const remove = (path) => withKey((headers) => exchange(new Request(path, { method: "DELETE", headers })));

/** Show a picture of the service in an image element, which cannot carry the key by itself. */
export async function showIn(image, path) {
  image.src = hasKey() ? URL.createObjectURL(await get(path)) : path;
}

const json = async (blob) => JSON.parse(await blob.text());

/**
 * Upload a picture and wait for the result.
 * @param {string} model
 * @param {File} file
 * @param {Object<string, number>} parameters the task's own, by name.
 * @param {AbortSignal} signal cancels.
 * @param {(sent: number) => void} onProgress gets the part of the upload sent, 0 to 1.
 * @returns the document, whether it was stored already, and the milliseconds it took here and in the server.
 */
export const predict = (model, file, parameters, ...how) =>
  upload(rooted(`/v1/models/${encodeURIComponent(model)}/predict`), { image: file, ...parameters }, ...how);

/** Upload pictures for a job, as `predict` does one; the document is the job's. */
export const sendJob = (model, files, parameters, ...how) =>
  upload(rooted("/v1/jobs"), { model, ...parameters, images: files }, ...how);

const upload = (path, fields, ...how) => withKey((headers) => send(headers, path, fields, ...how));

// XMLHttpRequest, because fetch does not report the progress of an upload.
function send(headers, path, fields, signal, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const header = (name) => request.getResponseHeader(name);
    const started = performance.now();
    signal.throwIfAborted();
    signal.addEventListener("abort", () => request.abort());
    request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 1);
    request.upload.onload = () => onProgress(1);
    request.onabort = () => reject(signal.reason);
    request.onerror = () => reject(unreachable());
    request.onload = () => {
      if (request.status >= 300) return reject(problemOf(request.status, header, request.responseText));
      resolve({
        document: JSON.parse(request.responseText),
        stored: (header("Cache-Status") ?? "").includes("hit"),
        hereMs: performance.now() - started,
        serverMs: Number(/total;dur=([\d.]+)/.exec(header("Server-Timing") ?? "")?.[1] ?? Number.NaN),
      });
    };
    request.open("POST", path);
    request.setRequestHeader("Accept", "application/json");
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) for (const each of [value].flat()) form.append(name, each);
    request.send(form);
  });
}
