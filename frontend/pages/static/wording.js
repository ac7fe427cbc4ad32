// Sizes and times as people read them.

/** A size in the largest unit that leaves a number of at least 1. */
export function bytes(count) {
  if (count < 2 ** 10) return `${count} bytes`;
  return count < 2 ** 20 ? `${(count / 2 ** 10).toFixed(1)} KiB` : `${(count / 2 ** 20).toFixed(1)} MiB`;
}

/** A number of pictures. */
export const pictures = (count) => (count === 1 ? "1 picture" : `${count} pictures`);

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A time element. `iso`: as the service writes times. */
export function time(iso) {
  const made = document.createElement("time");
  made.dateTime = iso;
  made.textContent = moment.format(new Date(iso));
  return made;
}
