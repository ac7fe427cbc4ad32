// Several pictures at once, or a file that holds several: they become a job, which has a page of its own.

import { sendJob } from "./api.js";
import { checkParameters, chosenModel, parameters } from "./form.js";
import { Problem } from "./problem.js";
import { rooted } from "./root.js";
import { bytes, pictures } from "./wording.js";

const ARCHIVE = "PK"; // the first bytes of a ZIP

const at = (id) => document.getElementById(id);

/** Whether a file is an archive, by its content. */
export const isArchive = async (file) => (await file.slice(0, ARCHIVE.length).text()) === ARCHIVE;

/**
 * Send the pictures and go to the page of their job.
 * @param {File[]} files
 * @param {AbortSignal} signal
 * @param {(stage: string, part?: number) => void} progress
 */
export async function sendAsJob(files, signal, progress) {
  const size = files.reduce((sum, { size }) => sum + size, 0);
  const sent = files.length === 1 ? files[0].name : pictures(files.length); // one file may hold many
  at("chosen").textContent = `${sent}, ${bytes(size)}`;
  at("chosen").hidden = false;
  check(files.length, size);
  checkParameters();
  const stage = `Uploading ${sent}`;
  progress(stage, 0);
  const { document: job } = await sendJob(chosenModel(), files, parameters(), signal, (part) =>
    part < 1 ? progress(stage, part) : progress("Checking the pictures"),
  );
  location.assign(rooted(`/jobs/${job.id}`));
}

function check(count, size) {
  const { maxFiles, maxBytes } = at("file").dataset;
  if (count > Number(maxFiles)) {
    const detail = `${count} were chosen; the limit is ${maxFiles} for a job. Send them as several jobs.`;
    throw new Problem({ title: "These are too many pictures", detail, again: false });
  }
  if (size > Number(maxBytes)) {
    const detail = `Together they have ${bytes(size)}; the limit is ${bytes(Number(maxBytes))} at once. Send them as several jobs.`;
    throw new Problem({ title: "The pictures are too large together", detail, again: false });
  }
}
