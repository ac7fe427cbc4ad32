// The list of jobs.

import { readCard, readJobs } from "./api.js";
import { ofJob } from "./finding.js";
import { attempt } from "./problem.js";
import { jobBar, STATES, UNDER_WAY } from "./job_states.js";
import { rooted } from "./root.js";
import { pictures, time } from "./wording.js";

const POLL_MS = 2000;

const at = (id) => document.getElementById(id);

const cards = new Map(); // of models, by name; null where a model is served no more

let next = null; // address of the older ones
let older = false; // whether older ones are shown: the list is not renewed under the reader's eyes then

async function watch() {
  for (;;) {
    const page = await readJobs();
    if (older) return;
    next = page.next;
    await readCards(page.jobs);
    if (older) return;
    at("jobs-rows").replaceChildren(...page.jobs.map(row));
    tell(page.jobs.length ? "" : "There are no jobs.");
    if (!page.jobs.some(({ state }) => UNDER_WAY.has(state))) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function showMore() {
  older = true;
  const page = await readJobs(next);
  next = page.next;
  await readCards(page.jobs);
  at("jobs-rows").append(...page.jobs.map(row));
  tell(`${pictures(page.jobs.length).replace("picture", "job")} more`);
}

/** The cards of these jobs' models, whose classes have titles. */
async function readCards(jobs) {
  const unknown = [...new Set(jobs.map(({ model }) => model))].filter((model) => !cards.has(model));
  await Promise.all(unknown.map(async (model) => cards.set(model, await readCard(model).catch(() => null))));
}

function tell(text) {
  at("jobs-status").textContent = text;
  at("jobs").hidden = !at("jobs-rows").children.length;
  at("more").hidden = next === null;
}

function row(job) {
  const { id, model, state, created, progress, position } = job;
  const made = document.createElement("tr");
  const head = Object.assign(document.createElement("th"), { scope: "row" });
  const link = Object.assign(document.createElement("a"), { href: rooted(`/jobs/${id}`) });
  link.append(time(created));
  head.append(link);
  const ahead = state === "QUEUED" && position ? `, ${position} ahead` : "";
  const failed = progress.failed ? `, ${progress.failed} failed` : "";
  made.append(head, cell(model), cell(STATES[state] + ahead), cell(jobBar(progress)), cell(`${progress.succeeded} of ${progress.total}${failed}`), cell(ofJob(job, cards.get(model))));
  return made;
}

function cell(content) {
  const made = document.createElement("td");
  made.append(content);
  return made;
}

at("more").addEventListener("click", () => attempt(showMore));
attempt(watch);
