// The page: what the user does, and which part is on show meanwhile.

import { isReady, predict, readCard, readResult, readSample, remove, save, standIn } from "./api.js";
import { isArchive, sendAsJob } from "./batch.js";
import { compareAnswers, withdrawComparison } from "./comparison.js";
import {
  cards,
  checkParameters,
  chosenModel,
  onQuestionChange,
  parameters,
  parametersDiffer,
  selectModel,
  versionOf,
} from "./form.js";
import { hasKey } from "./key.js";
import { forget, offerHistory, remember } from "./history.js";
import { onPictures } from "./picking.js";
import { Problem, problemOf, say } from "./problem.js";
import { offerDownloads, showProvenance, showResult } from "./result.js";
import { rooted } from "./root.js";
import { TASKS } from "./tasks.js";
import { offerThreshold, withdrawThreshold } from "./threshold.js";
import { changeResult, clear, layerOpacity, onLayerChange, showPicture, showStored } from "./viewer.js";
import { bytes } from "./wording.js";

const READY_POLL_MS = 3000;
const DEFAULT_OVERLAY_OPACITY = 0.5;

const at = (id) => document.getElementById(id);

let file = null; // the picture last chosen; kept whatever happens, so that it can be sent again
let shown = null; // the document on show
let shownCard; // of the version that made it
let asked = { model: null, parameters: {} }; // what was asked last
let running = null; // AbortController of what is under way

/** Show one of: empty, working, problem, answer. */
function show(part) {
  for (const id of ["empty", "working", "problem", "answer"]) at(id).hidden = id !== part;
  at("retry").hidden = true;
  at(part).scrollIntoView({ block: "nearest" });
}

/** Run `work`, which may be cancelled, and offer to run it again if it fails. Newer work takes the place of older. */
async function run(work) {
  running?.abort();
  const controller = new AbortController();
  running = controller;
  shown = null;
  withdrawThreshold();
  withdrawComparison();
  progress("Waiting");
  show("working");
  offerAnotherQuestion();
  try {
    await work(controller.signal);
  } catch (error) {
    if (running === controller) showProblem(controller.signal.aborted ? cancelled() : error, work);
  } finally {
    if (running === controller) running = null;
    offerAnotherQuestion();
  }
}

function progress(stage, part) {
  if (at("stage").textContent !== stage) at("stage").textContent = stage;
  at("percent").textContent = part === undefined ? "" : `${Math.round(part * 100)} %`;
  if (part === undefined) at("progress").removeAttribute("value");
  else at("progress").value = part;
}

const cancelled = () => new Problem({ title: "Cancelled", detail: "The picture can be sent again.", mild: true });

function showProblem(error, work) {
  const problem = problemOf(error);
  say(problem, at("problem"));
  show("problem");
  at("retry").hidden = !problem.again;
  const earliest = performance.now() + 1000 * (problem.retryAfterS ?? 0);
  at("retry").onclick = () => run((signal) => pause(earliest - performance.now(), signal).then(() => work(signal)));
  if (problem.again) at("retry").focus();
}

/** Wait as long as the service asked for. */
function pause(ms, signal) {
  if (ms <= 0) return Promise.resolve();
  progress("Giving the service a moment");
  return new Promise((resolve, reject) => {
    setTimeout(resolve, ms);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

/** Ask the chosen model about `file`. */
async function ask(signal) {
  const [picture, model] = [file, chosenModel()];
  asked = { model, parameters: parameters() };
  history.replaceState(null, "", location.pathname + location.search);
  at("chosen").textContent = `${picture.name}, ${bytes(picture.size)}`;
  at("chosen").hidden = false;
  showPicture(picture, `The picture ${picture.name}`, cards.get(model)?.preprocessing.background);
  const limit = Number(at("file").dataset.maxBytes);
  if (picture.size > limit) {
    const detail = `It has ${bytes(picture.size)}; the limit is ${bytes(limit)}. Choose a smaller one.`;
    throw new Problem({ title: "The picture is too large", detail, again: false });
  }
  checkParameters();
  progress("Uploading", 0);
  const answer = await predict(model, picture, asked.parameters, signal, (part) =>
    part < 1 ? progress("Uploading", part) : progress("Computing"),
  );
  signal.throwIfAborted();
  await present(answer, signal, picture);
}

/** Show a stored result again. */
const open = (id) => async (signal) => {
  clear();
  const result = await readResult(id, signal);
  await present({ document: result }, signal);
};

/** The card of the version that made a result, or one that can stand in for it; undefined where there is none. */
async function cardOf(result, signal) {
  const newest = cards.get(result.model);
  if (!newest || result.version === versionOf(result.model)) return newest;
  return readCard(result.model, result.version, signal).catch(() => standIn(newest, result));
}

async function present(answer, signal, picture = null) {
  const result = answer.document;
  const task = TASKS[result.task];
  const card = await cardOf(result, signal);
  signal.throwIfAborted(); // a newer question has taken its place meanwhile
  shownCard = card;
  asked = { model: result.model, parameters: result.provenance.parameters };
  selectModel(result.model);
  offerFrames(result, picture);
  showProvenance(answer, task);
  showWords(result);
  const looking = showStored(result, shownCard, task, review);
  offerThreshold(result, review);
  offerFiles();
  compareAnswers(result, cards.get(shownCard?.compare_with), picture);
  show("answer");
  history.replaceState(null, "", `#result=${result.id}`);
  at("report").href = rooted(`/results/${result.id}`);
  remember(result);
  at("answer-title").focus();
  await looking;
}

/** Show the same result at another threshold, or with objects excluded; returns what it says. */
function review(result) {
  showWords(result);
  changeResult(result);
  offerFiles();
  return at("answer-title").textContent;
}

function showWords(result) {
  shown = result;
  showResult(result, shownCard, TASKS[result.task]);
  document.title = `${at("answer-title").textContent} - Oncoserve`;
}

function offerFiles() {
  if (!shown) return;
  offerDownloads(shown, shownCard, TASKS[shown.task], layerOpacity() ?? DEFAULT_OVERLAY_OPACITY);
}

/** Save a file of the result on show with the key; without one the browser follows the link by itself. */
function saveWithKey(event) {
  const link = event.target.closest("a");
  if (!link || !hasKey()) return;
  event.preventDefault();
  at("download-status").textContent = "";
  save(link.getAttribute("href"), link.download).catch((error) => {
    at("download-status").textContent = `${link.textContent} could not be fetched. ${error.message}`;
  });
}

/** A change of the model or a parameter asks nothing by itself: it offers to. */
function offerAnotherQuestion() {
  const model = chosenModel();
  const otherModel = model !== asked.model;
  at("ask-again").hidden = !file || running !== null || !(otherModel || parametersDiffer(asked.parameters));
  at("ask-again").textContent = otherModel
    ? `Ask ${cards.get(model)?.title} about this picture`
    : "Ask again with this change";
}

async function choose(chosen) {
  const one = chosen.length === 1 && !(await isArchive(chosen[0]).catch(() => false)); // what cannot be read fails later
  file = one ? chosen[0] : null;
  if (file) return run(ask);
  asked = { model: null, parameters: {} };
  run((signal) => sendAsJob(chosen, signal, progress));
}

/** Of a file with several frames one was asked about; offer to ask about all of them. */
function offerFrames({ image, warnings }, picture) {
  const several = warnings.some(({ code }) => code === "one_of_several_frames");
  at("frames").hidden = !(picture && several);
  at("all-frames").textContent = `Ask about all ${image.dicom?.frames} frames`;
}

/** Delete the result on show, here and in the service. */
async function deleteShown() {
  const { id, links } = shown;
  if (!confirm("Delete this result for everybody who has its address? The picture and the files made of it go, too.")) {
    return;
  }
  try {
    await remove(links.self);
  } catch (error) {
    at("download-status").textContent = `It could not be deleted. ${error.message}`;
    return;
  }
  forget(id);
  shown = null;
  withdrawThreshold();
  withdrawComparison();
  clear("The result was deleted.");
  history.replaceState(null, "", location.pathname);
  show("empty");
}

function watchReadiness() {
  const poll = setInterval(async () => {
    if (!(await isReady())) return;
    clearInterval(poll);
    if (!file && !shown && !running) return location.reload();
    at("not-ready-title").textContent = "Everything is ready again";
    at("not-ready-hint").textContent = "Reload the page to see all models.";
  }, READY_POLL_MS);
}

function openFromAddress() {
  const id = /^#result=(\w+)$/.exec(location.hash)?.[1];
  if (id && id !== shown?.id) run(open(id));
}

onPictures((chosen) => chosenModel() && choose(chosen));
at("all-frames").addEventListener("click", () => {
  const whole = file;
  run((signal) => sendAsJob([whole], signal, progress));
});
at("delete").addEventListener("click", deleteShown);
for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", () =>
    run(async (signal) => {
      progress("Fetching the sample");
      file = await readSample(button.dataset.sample, signal);
      await ask(signal);
    }),
  );
}
at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!at("ask-again").hidden) run(ask); // the Enter key submits also while there is nothing to ask
});
at("downloads").addEventListener("click", saveWithKey);
at("cancel").addEventListener("click", () => running?.abort());
window.addEventListener("hashchange", openFromAddress);
onQuestionChange(offerAnotherQuestion);
onLayerChange(offerFiles);
selectModel(chosenModel());
if (at("not-ready")) watchReadiness();
offerHistory();
openFromAddress();
