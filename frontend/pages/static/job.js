// The page of a job: how far it is, what each picture gave, a table of everything.

import { post, readCard, readJob, readResult, remove, showIn, standIn } from "./api.js";
import { BOM, toCsv } from "./csv.js";
import { inShort, unnamedOf } from "./finding.js";
import { attempt } from "./problem.js";
import { rooted } from "./root.js";
import { TASKS } from "./tasks.js";
import { offerStack } from "./stack.js";
import { jobBar, STATES, UNDER_WAY } from "./job_states.js";
import { pictures, time } from "./wording.js";

const POLL_MS = 1000;
const PICTURES_PER_POLL_MS = 0.2; // a large job is asked for less often: its document is long

const GONE = new Set(["version_not_found", "model_not_found"]);

const at = (id) => document.getElementById(id);
const { job: id } = at("job").dataset;

let card = null; // of the model's newest version; null where it is served no more
const makers = new Map(); // promises of cards by version: of those that made the results
let job = null;
const rows = []; // { row, image, result } by the picture's place in the job

async function watch() {
  for (;;) {
    job = await readJob(id);
    card ??= await readCard(job.model).catch(() => null);
    show();
    if (!UNDER_WAY.has(job.state)) return;
    await new Promise((resolve) => setTimeout(resolve, Math.max(POLL_MS, job.progress.total / PICTURES_PER_POLL_MS)));
  }
}

function show() {
  const { total, succeeded } = job.progress;
  at("job-title").textContent = `Job of ${pictures(total)}`;
  at("job-facts").replaceChildren(card?.title ?? job.model, ", begun ", time(job.created), ", kept until ", time(job.expires));
  showStatus();
  at("job-progress").replaceChildren(jobBar(job.progress));
  at("retry-failed").hidden = UNDER_WAY.has(job.state) || !job.images.some(({ error }) => error?.retryable);
  at("job-actions").hidden = at("images").hidden = false;
  at("csv").disabled = succeeded === 0;
  job.images.forEach(update);
  offerStack(job, card);
}

function showStatus() {
  const status = words();
  if (at("job-status").textContent !== status) at("job-status").textContent = status;
  document.title = `${status} - Oncoserve`;
}

function words() {
  const { total, succeeded, failed } = job.progress;
  const read = rows.filter((entry) => entry?.result?.label === null).length; // until now
  const unnamed = Math.max(unnamedOf(job) ?? 0, read); // older versions told nothing of it
  const failures = `${failed ? `, ${failed} failed` : ""}${unnamed ? `, ${unnamed} without a class` : ""}`;
  if (job.state === "EXPIRED") return "Expired: its results are gone";
  if (job.state === "FAILED") return `Failed: ${failed === 1 ? "the picture has" : `all ${pictures(failed)} have`} no result`;
  if (!UNDER_WAY.has(job.state)) return `${STATES[job.state]}: ${pictures(succeeded)} of ${total}${failures}`;
  if (job.state === "RUNNING") return `Running: ${succeeded + failed} of ${pictures(total)} done${failures}`;
  return job.position ? `Waiting: ${pictures(job.position)} of other jobs are ahead` : "Waiting for a worker";
}

function update(image, place) {
  if (rows[place]?.image.state === image.state) return;
  rows[place] ??= { row: at("image-rows").appendChild(emptyRow(image.name)), result: null };
  const entry = Object.assign(rows[place], { image });
  const [, , state, said] = entry.row.children;
  state.textContent = STATES[image.state];
  entry.row.className = image.state.toLowerCase();
  if (image.error) said.textContent = `${image.error.title}. ${image.error.detail}`;
  if (image.result) fill(entry, said).catch((error) => said.replaceChildren(`It cannot be shown: ${error.message}`));
}

async function fill(entry, said) {
  const link = Object.assign(document.createElement("a"), { href: rooted(`/#result=${entry.image.result}`) });
  link.textContent = entry.image.finding ? inShort(entry.image.finding, card) : "Result";
  said.replaceChildren(link);
  const result = await readResult(entry.image.result);
  entry.result = result;
  showStatus();
  const { title, figure, unit } = TASKS[result.task].headline(result, await makerOf(result));
  link.textContent = `${title} ${figure}${unit}`;
  if (result.warnings.length) said.append(note(result.warnings.map(({ message }) => message).join(" ")));
  const image = Object.assign(document.createElement("img"), { alt: "", loading: "lazy", width: 48, height: 48 });
  entry.row.firstChild.replaceChildren(image);
  await showIn(image, `${result.links.self}/thumbnail.jpg`);
}

/** The card of the version that made a result, or one that can stand in for it; undefined where there is none. */
async function makerOf(result) {
  const { model, version } = result;
  if (!makers.has(version)) makers.set(version, readCard(model, version));
  try {
    return await makers.get(version);
  } catch ({ code }) {
    if (!GONE.has(code)) makers.delete(version); // the next row asks again
    return standIn(card, result);
  }
}

function note(text) {
  return Object.assign(document.createElement("small"), { textContent: text });
}

function emptyRow(name) {
  const row = document.createElement("tr");
  const head = Object.assign(document.createElement("th"), { scope: "row", textContent: name });
  row.append(...["td", "td", "td"].map((tag) => document.createElement(tag)));
  row.firstChild.after(head);
  return row;
}

async function saveCsv() {
  at("csv-status").textContent = "";
  try {
    for (const entry of rows.filter(({ image, result }) => image.result && !result)) {
      entry.result = await readResult(entry.image.result);
    }
  } catch (error) {
    at("csv-status").textContent = `The table lacks a result that could not be read. ${error.message}`;
  }
  const url = URL.createObjectURL(new Blob([BOM, toCsv(rows)], { type: "text/csv;charset=utf-8" }));
  Object.assign(document.createElement("a"), { href: url, download: `${job.model}-job-${id}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

async function retryFailed() {
  const again = await post(`${job.links.self}/retry`);
  location.assign(rooted(`/jobs/${again.id}`));
}

async function deleteJob() {
  if (!confirm("Delete this job? Pictures that wait are not asked about. Results that are there stay.")) return;
  await remove(job.links.self);
  location.assign(rooted("/jobs"));
}

at("csv").addEventListener("click", saveCsv);
at("retry-failed").addEventListener("click", () => attempt(retryFailed));
at("delete").addEventListener("click", () => attempt(deleteJob));
attempt(watch);
