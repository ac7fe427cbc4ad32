// How a DICOM image was taken, in words: the same as in results/how_taken.py. Whom it shows is nowhere in a result.

const WHO_SAYS = {
  caller: "as asked for",
  file: "the file's",
  robust: "assumed, as the file has none",
};

const DIGITS = 6;

const number = (value) => String(Number(value.toPrecision(DIGITS)));

/** What became black and white when the model saw it. */
export function windowWords({ kind, low, high }) {
  if (kind === "table") return "a table of the file";
  if (kind === "whole") return "none: all 256 levels of the file";
  return `centre ${number((low + high) / 2)}, width ${number(high - low)} (${WHO_SAYS[kind]})`;
}

/** Names and texts of what an image's file says; none where it is no DICOM file. */
export function taken({ dicom, mm_per_px }) {
  if (!dicom) return [];
  const { repetition_ms, echo_ms, inversion_ms } = dicom;
  const times = Object.entries({ TR: repetition_ms, TE: echo_ms, TI: inversion_ms });
  const sequence = [
    dicom.weighting,
    dicom.sequence,
    ...times.filter(([, ms]) => ms !== null).map(([name, ms]) => `${name} ${number(ms)} ms`),
  ];
  const all = [
    ["Modality", dicom.modality],
    ["Body part", dicom.body_part.toLowerCase()],
    ["Plane", dicom.plane],
    ["Sequence", sequence.filter(Boolean).join(", ")],
    ["Contrast agent", dicom.modality === "MR" || dicom.contrast ? (dicom.contrast ? "named" : "none named") : ""],
    ["Derived", dicom.derived ? "computed from other images" : ""],
    ["Frame", dicom.frames > 1 ? `${dicom.frame} of ${dicom.frames}` : ""],
    ["Position", dicom.position_mm === null ? "" : `${number(dicom.position_mm)} mm along the slices' normal`],
    ["Pixel size", mm_per_px ? `${number(mm_per_px)} mm` : "unknown"],
    ["Window", dicom.window ? windowWords(dicom.window) : ""],
  ];
  return all.filter(([, text]) => text);
}
