// The states of jobs and of their pictures, in words and as a bar.

export const STATES = {
  QUEUED: "Waiting",
  RUNNING: "Running",
  SUCCEEDED: "Done",
  PARTIAL: "Partly done",
  FAILED: "Failed",
  EXPIRED: "Expired",
};

export const UNDER_WAY = new Set(["QUEUED", "RUNNING"]);

/** A bar of what a job's pictures came to: those with a result, those that failed, and the rest. */
export function jobBar({ total, succeeded, failed }) {
  const bar = Object.assign(document.createElement("div"), { className: "job-bar", role: "img" });
  bar.ariaLabel = `${succeeded} of ${total} with a result, ${failed} failed`;
  for (const [kind, count] of Object.entries({ succeeded, failed })) {
    const part = Object.assign(document.createElement("span"), { className: kind });
    part.style.width = `${total ? (100 * count) / total : 0}%`;
    bar.append(part);
  }
  return bar;
}
