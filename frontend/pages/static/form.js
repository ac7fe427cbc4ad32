// What the user asks: a model, and the parameters that its kind of task takes beside the picture.

import { Problem } from "./problem.js";

const radios = [...document.querySelectorAll("input[name=model]")];

/** The cards of the models that can be asked, by name. */
export const cards = new Map(radios.map((radio) => [radio.value, JSON.parse(radio.dataset.card)]));

/** The version of a model that its card is of. */
export const versionOf = (model) => radios.find(({ value }) => value === model)?.dataset.version;

export const chosenModel = () => radios.find((radio) => radio.checked)?.value;
const chosenTask = () => cards.get(chosenModel())?.task;
const fields = () => [...document.querySelectorAll(`[data-task="${chosenTask()}"] input`)];

/** Choose a model, unless it is not there any more, and show what belongs to it. */
export function selectModel(name) {
  for (const radio of radios) radio.checked = radio.value === name || (radio.checked && !cards.has(name));
  const belongs = { about: chosenModel(), samples: chosenModel(), task: chosenTask() };
  for (const [kind, wanted] of Object.entries(belongs)) {
    for (const part of document.querySelectorAll(`[data-${kind}]`)) part.hidden = part.dataset[kind] !== wanted;
  }
  const card = cards.get(chosenModel());
  describeResolution(card?.segmentation);
  bound("mm-per-px", card?.delineation?.mm_per_px_range ?? [0.0001, 1000]);
}

/** What may be said in a field, and the words beside it. */
function bound(id, [least, most]) {
  const field = document.getElementById(id);
  [field.min, field.max] = [least, most];
  document.getElementById(`${id}-range`).textContent = `${least} to ${most}`;
}

/** What may be said of the resolution, by the card's part on segmentation. */
function describeResolution(part) {
  if (!part) return;
  bound("um-per-px", part.um_per_px_range ?? [0.001, 100_000]);
  const empty = document.getElementById("um-per-px-empty");
  const assumed = part.assumed_um_per_px ?? part.um_per_px;
  empty.textContent = assumed === null ? "areas in pixels only" : `as the file says, else ${assumed}`;
}

/** The parameters that are filled in, by name. */
export const parameters = () =>
  Object.fromEntries(
    fields().flatMap(({ name, type, value, checked }) => {
      if (type === "checkbox") return checked ? [[name, true]] : [];
      return value === "" ? [] : [[name, Number(value)]];
    }),
  );

/** Whether the parameters are others than `earlier`, in which null stands for an empty field, false for no tick. */
export const parametersDiffer = (earlier) => {
  const now = parameters();
  return fields().some(({ name, type }) => {
    const empty = type === "checkbox" ? false : null;
    return (now[name] ?? empty) !== (earlier[name] ?? empty);
  });
};

/** Throws a Problem when a field holds what cannot be sent. */
export function checkParameters() {
  const wrong = fields().find((field) => !field.checkValidity());
  if (!wrong) return;
  wrong.focus();
  throw new Problem({
    title: `${wrong.dataset.title} cannot be used`,
    detail: `It has to be a number from ${wrong.min} to ${wrong.max}, or empty. Change it, then ask again.`,
    again: false,
  });
}

/** Call `listener` when the user has chosen another model or changed a parameter. */
export function onQuestionChange(listener) {
  for (const radio of radios) {
    radio.addEventListener("change", () => {
      selectModel(radio.value);
      listener();
    });
  }
  for (const field of document.querySelectorAll("[data-task] input")) field.addEventListener("input", listener);
}
