// What a job's document says of its results, in words: no result is read for it.

import { TASKS } from "./tasks.js";
import { classOf } from "./result.js";

const SHOWN = 3; // classes of a job with many

/** The headline of a finding, as its result has it. `card`: the model's, if it is served at the moment. */
export function inShort(finding, card) {
  const task = TASKS[finding.task];
  if (!task) return "";
  const { title, figure, unit } = task.headline(asResult(finding), card);
  return finding.probability === null ? title : `${title} ${figure}${unit}`.trim();
}

/** What a job came to until now: the finding of its only picture, or how many pictures got which class. */
export function ofJob({ finding }, card) {
  if (!finding) return ""; // none yet, or no more, or the service is an older one
  if (finding.image) return inShort(finding.image, card) + (finding.warned ? ", with warnings" : "");
  const labels = Object.entries(finding.labels);
  const named = labels.slice(0, SHOWN).map(([name, count]) => `${count} ${classOf(card, name).title}`);
  const others = sum(labels.slice(SHOWN).map(([, count]) => count));
  const unnamed = sum(Object.values(finding.undetermined));
  const rest = [[others, "of other classes"], [unnamed, "without a class"], [finding.warned, "with warnings"]];
  return [...named, ...rest.filter(([count]) => count).map(([count, what]) => `${count} ${what}`)].join(", ");
}

/** Number of pictures without a class; undefined where a job's document does not tell. */
export const unnamedOf = ({ finding }) => finding && sum(Object.values(finding.undetermined));

/** As much of a result as a headline needs. */
function asResult(finding) {
  const { label, probability, undetermined, warnings } = finding;
  // A picture that the model was not asked about has the reason among its warnings.
  const met = warnings.includes(undetermined) ? null : NaN;
  return {
    ...finding,
    localisation: null,
    probabilities: { [label]: probability },
    undetermined: undetermined && { text: "", value: met },
  };
}

const sum = (numbers) => numbers.reduce((all, each) => all + each, 0);
