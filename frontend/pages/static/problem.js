// What went wrong, in words; see RFC 9457.

import { rooted } from "./root.js";

export class Problem extends Error {
  constructor({ title, detail, code = null, requestId = null, retryAfterS = null, again = true, mild = false }) {
    super(detail);
    Object.assign(this, { title, detail, code, requestId, retryAfterS, again, mild });
  }
}

/** Any error as a Problem; one that nobody thought of is a defect of this page and says so. */
export function problemOf(error) {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem({ title: "Something went wrong on this page", detail: `${error}. Try again, or reload the page.` });
}

/** Say it in an element with role="alert". */
export function say(problem, element) {
  const title = document.createElement("strong");
  title.textContent = problem.title;
  const detail = document.createElement("p");
  detail.textContent = problem.detail;
  element.replaceChildren(title, detail);
  if (problem.code) {
    const more = document.createElement("p");
    const link = document.createElement("a");
    link.href = rooted(`/errors#${problem.code}`);
    link.textContent = problem.code;
    more.append("Code ", link, `, request ${problem.requestId}`);
    more.className = "muted small";
    element.append(more);
  }
  element.classList.toggle("mild", problem.mild);
  element.hidden = false;
}

/** Run `work`; if it fails, say why in #problem and offer #retry. For pages that do one thing. */
export async function attempt(work) {
  const [element, retry] = [document.getElementById("problem"), document.getElementById("retry")];
  element.hidden = retry.hidden = true;
  try {
    await work();
  } catch (error) {
    const problem = problemOf(error);
    say(problem, element);
    retry.hidden = !problem.again;
    retry.onclick = () => attempt(work);
  }
}
