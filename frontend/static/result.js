// A result in words, bars and tables. Only textContent and CSSOM: what the service sends is never parsed as HTML.

const at = (id) => document.getElementById(id);

/** A probability as people read it: never rounded to a certainty. */
export function percent(probability) {
  const value = probability * 100;
  if (value < 0.01) return "< 0.01 %";
  if (value > 99.99) return "> 99.99 %";
  return `${value.toFixed(2)} %`;
}

/** The class of that name: as on the card, or by its bare name where there is no card. */
const classOf = (card, name) =>
  card?.classes.find((each) => each.name === name) ?? { name, title: name, colour: "#808080", description: "" };

/**
 * Show a classification.
 * @param answer what `predict` resolves to; a result read again has only the `document`.
 * @param card the model's card, if it is served at the moment.
 */
export function showAnswer({ document: result, stored, hereMs, serverMs }, card) {
  const predicted = classOf(card, result.label);
  at("answer-kicker").textContent = card?.title ?? result.model;
  const figure = element("span", percent(result.probabilities[result.label]), "figure");
  at("answer-title").replaceChildren(`${predicted.title} `, figure);
  at("answer-description").textContent = predicted.description;
  at("bars").replaceChildren(
    ...Object.entries(result.probabilities).map(([name, p]) => bar(classOf(card, name), p, name === result.label)),
  );
  at("warnings").replaceChildren(...result.warnings.map(({ message }) => element("li", message)));
  at("warnings").hidden = !result.warnings.length;
  at("request-timing").textContent = requestTiming(stored, hereMs, serverMs);
  at("timings").replaceChildren(
    ...Object.entries(result.timings_ms).map(([stage, ms]) => pair("tr", "th", stage, "td", `${ms.toFixed(1)} ms`)),
  );
  at("provenance").replaceChildren(...facts(result).map(([name, text]) => pair("div", "dt", name, "dd", text)));
  at("download-json").href = result.links.self;
  at("download-json").download = `${result.model}-${result.id}.json`;
}

/** Offer the picture with its layer as one PNG, drawn by the service at this opacity (0 to 1). */
export function offerOverlay(result, opacity) {
  at("download-overlay").hidden = false;
  at("download-overlay").href = `${result.links.overlay}?opacity=${opacity}`;
  at("download-overlay").download = `${result.model}-${result.id}.png`;
}

function bar(each, probability, predicted) {
  const row = element("tr", "", predicted ? "predicted" : "");
  row.dataset.class = each.name;
  const name = element("th", each.title);
  name.scope = "row";
  const track = element("td", "", "track");
  const fill = element("span", "", "fill");
  fill.style.width = `${probability * 100}%`;
  fill.style.backgroundColor = each.colour;
  track.append(element("span", "", "rail"));
  track.firstChild.append(fill);
  const number = element("td", percent(probability), "number");
  number.title = String(probability);
  row.append(name, track, number);
  return row;
}

function requestTiming(stored, hereMs, serverMs) {
  if (hereMs === undefined) return "Read from the store; the stages below are those of its computation.";
  const whole = `${hereMs.toFixed(0)} ms from sending to answer`;
  const server = Number.isNaN(serverMs) ? "" : `, ${serverMs.toFixed(0)} ms of them in the service`;
  const source = stored ? " It was stored already: the stages below are those of its computation." : "";
  return `This request took ${whole}${server}.${source}`;
}

function facts({ id, image, provenance }) {
  const parameters = Object.entries(provenance.parameters).map(([name, value]) => `${name} = ${value}`);
  return [
    ["Result", id],
    ["Picture", `${image.width} x ${image.height} pixels, ${image.format}`],
    ["Picture's SHA-256", provenance.input_sha256],
    ["Model", `${provenance.model}, version ${provenance.version}`],
    ["Model's SHA-256", provenance.model_sha256 ?? "unknown"],
    ["Weights", provenance.weights.package],
    ["Weights' SHA-256", provenance.weights.sha256],
    ["Parameters", parameters.join(", ") || "none"],
    ["Computed", provenance.created],
    ["Code", provenance.code_version],
  ];
}

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function pair(tag, nameTag, name, textTag, text) {
  const made = element(tag);
  const head = element(nameTag, name);
  if (nameTag === "th") head.scope = "row";
  made.append(head, element(textTag, text));
  return made;
}
