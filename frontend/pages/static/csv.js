// Results as comma-separated values (RFC 4180).

/** Goes before the table: without it Excel takes UTF-8 for the computer's old code page and spoils letters. */
export const BOM = "\ufeff";

const COLUMNS = ["picture", "state", "error", "result", "model", "version", "label"];

/**
 * A table with a row for each picture of a job, and a column for each number that any of them has.
 * @param {{image: object, result: ?object}[]} rows pictures as the job has them, with their results.
 */
export function toCsv(rows) {
  const records = rows.map(({ image, result }) => ({
    picture: image.name,
    state: image.state,
    error: image.error?.code,
    ...(result && numbers(result)),
  }));
  const found = new Set(records.flatMap(Object.keys));
  const columns = [...COLUMNS, ...[...found].filter((name) => !COLUMNS.includes(name))];
  const lines = [columns, ...records.map((record) => columns.map((name) => record[name]))];
  return lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}

function numbers(result) {
  const found = { result: result.id, model: result.model, version: result.version, label: result.label };
  for (const [name, p] of Object.entries(result.probabilities ?? {})) found[`probability_${name}`] = p;
  for (const [name, { px, mm2, fraction }] of Object.entries(result.areas ?? {})) {
    if (px !== undefined) found[`${name}_px`] = px;
    found[`${name}_mm2`] = mm2;
    found[`${name}_fraction`] = fraction;
  }
  if (result.localisation) {
    const { certainty, peak, box, outline, ...sizes } = result.localisation;
    Object.assign(found, { certainty, peak_x: peak.x, peak_y: peak.y });
    for (const [name, pixels] of Object.entries(box ?? {})) found[`box_${name}`] = pixels;
    if (outline) Object.assign(found, sizes);
  }
  for (const [name, value] of Object.entries(result.undetermined ?? {})) found[`undetermined_${name}`] = value;
  if (result.mm_per_px) found.mm_per_px = result.mm_per_px;
  if (result.um_per_px !== undefined) Object.assign(found, { um_per_px: result.um_per_px, threshold: result.threshold });
  found.warnings = result.warnings.map(({ code }) => code).join(" ");
  return { ...found, notice: result.provenance.notice };
}

/** A value; a name that a spreadsheet would take for a formula is kept from being one, as in the client's results.csv. */
function cell(value) {
  const text = String(value ?? "");
  const safe = typeof value === "string" && /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
