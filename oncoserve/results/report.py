"""A stored result in words and rows, for a page without scripts and for paper.

Numbers read as the modules of the tasks in static/ write them; a test holds them to that.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from oncoserve.results.how_taken import how_taken
from oncoserve.tasks.card import Card, ModelClass

GREY = "#808080"
NOT_ASKED = "The model was not asked about this picture. The warnings say why."
UNDETERMINED = "Undetermined"
NONE_OF_THEM = "None of the classes"


@dataclass(frozen=True)
class Row:
    """One class: its bar, 0 to 1 of the rail, and its numbers in words."""

    title: str
    colour: str
    part: float
    numbers: tuple[str, ...]
    strong: bool = False


@dataclass(frozen=True)
class Report:
    """What a result says.

    Attributes:
        title: the finding.
        figure: its number.
        description: what the finding means.
        caption: what the rows are.
        columns: titles of the rows' numbers.
        rows: one per class, in the card's order.
        facts: where the result comes from, name and text.
        taken: how the picture was, likewise, as a DICOM file says it.
    """

    title: str
    figure: str
    description: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    facts: tuple[tuple[str, str], ...]
    taken: tuple[tuple[str, str], ...] = ()


def describe(document: Mapping[str, Any], card: Card | None) -> Report:
    """What a result says.

    Args:
        document: the result's JSON document.
        card: its model's; None when the model is served no more.
    """
    return replace(_found(document, card), taken=how_taken(document["image"]))


def _found(document: Mapping[str, Any], card: Card | None) -> Report:
    facts = tuple(_facts(document))
    if "counts" in document:
        return _counts(document, card, facts)
    if "areas" in document:
        return _areas(document["areas"], card, facts)
    probabilities = document["probabilities"] or {}
    labels = document.get("labels", [document["label"]])
    rows = tuple(_rows(labels, probabilities, card))
    columns = ("Probability",) if rows else ()
    caption = "Probability of each class" if rows else ""
    if not labels:
        return Report(NONE_OF_THEM, "", "", caption, columns, rows, facts)
    if document["label"] is None:
        title, words = _silent(document.get("undetermined"))
        return Report(title, "", words, caption, columns, rows, facts)
    found = _class(card, document["label"])
    figure = percent(probabilities[document["label"]])
    title = ", ".join(_class(card, name).title for name in labels)
    description = found.description if len(labels) == 1 else ""
    return Report(title, figure if len(labels) == 1 else "", description, caption, columns, rows, facts)


def _silent(undetermined: Mapping[str, Any] | None) -> tuple[str, str]:
    """What is said in place of a label, and why."""
    if undetermined is None or undetermined["value"] is None:
        return "No answer", NOT_ASKED
    return UNDETERMINED, undetermined["text"]


def _rows(labels: Collection[str | None], probabilities: Mapping[str, float], card: Card | None) -> Iterator[Row]:
    return (
        Row(each.title, each.colour, p, (percent(p),), name in labels)
        for name, p in probabilities.items()
        for each in [_class(card, name)]
    )


def _areas(areas: Mapping[str, Mapping[str, float]], card: Card | None, facts: tuple[tuple[str, str], ...]) -> Report:
    names = [each.name for each in card.classes] if card else list(areas)
    part = card.segmentation if card else None
    of = "whole" if card is None else "tissue" if part and part.steps else "picture"
    rows = (
        Row(each.title, each.colour, area["fraction"], (_area(area), share(area["fraction"])))
        for name in names
        for each, area in [(_class(card, name), areas[name])]
    )
    name = (part and part.headline) or max(areas, key=lambda each: areas[each]["fraction"])
    found, empty = _class(card, name), all(area["fraction"] == 0 for area in areas.values())
    return Report(
        ("No tissue found" if of == "tissue" else "Nothing found") if empty else found.title,
        "" if empty else f"{share(areas[name]['fraction'])} of the {of}",
        "" if empty else found.description,
        f"Area of each class, and its share of the {of}",
        ("Area", f"Share of the {of}"),
        tuple(rows),
        facts,
    )


def _counts(document: Mapping[str, Any], card: Card | None, facts: tuple[tuple[str, str], ...]) -> Report:
    counts: Mapping[str, int] = document["counts"]
    total = sum(counts.values())
    named = [(_class(card, name), count) for name, count in counts.items()]
    rows = (Row(each.title, each.colour, count / max(total, 1), (str(count),)) for each, count in named)
    present = [f"{count} {each.title}" for each, count in named if count]
    title = "1 box" if total == 1 else f"{total} boxes" if total else "Nothing found"
    return Report(
        title, "", ", ".join(present) + _largest(document), "Boxes of each class", ("Boxes",), tuple(rows), facts
    )


def _area(area: Mapping[str, Any]) -> str:
    return f"{area['px']:,} px" if area["mm2"] is None else f"{mm2(area['mm2'])} mm²"


def _facts(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    image, made = document["image"], document["provenance"]
    given = [f"{name} = {str(value).lower()}" for name, value in made["parameters"].items() if value is not None]
    yield "Result", document["id"]
    turned = f", turned upright (EXIF orientation {image['orientation']})" if image.get("turned") else ""
    yield "Picture", f"{image['width']} x {image['height']} pixels, {image['format']}{turned}"
    yield "Picture's SHA-256", made["input_sha256"]
    yield "Model", f"{made['model']}, version {made['version']}"
    yield "Model's SHA-256", made["model_sha256"] or "unknown"
    yield "Weights", f"{made['weights']['package']}, SHA-256 {made['weights']['sha256']}"
    yield "Parameters", ", ".join(given) or "none"
    if document.get("localisation"):
        outlined = "area_px" in document["localisation"]
        yield from _place(document, "mask" if outlined else "heatmap")
        if outlined:
            yield from _sizes(document["localisation"])
    if "counts" in document:
        yield "Threshold", f"{document['threshold']:g}"
    if "um_per_px" in document:
        um_per_px = document["um_per_px"]
        known = "unknown" if um_per_px is None else f"{um_per_px:g} micrometres per pixel"
        yield "Resolution", f"{known}, threshold {document['threshold']:g}"
    yield "Computed", f"{made['created']} in {sum(document['timings_ms'].values()):.0f} ms, code {made['code_version']}"


def _place(document: Mapping[str, Any], shown: str) -> Iterator[tuple[str, str]]:
    found = document["localisation"]
    box, peak = found["box"], _whole(found["peak"])
    size = f"{box['width']:.0f} x {box['height']:.0f} pixels{_in_mm(box, document)}" if box else ""
    yield "Box", f"{size} at {_whole(box)}" if box else "none"
    yield f"Peak of the {shown}", f"{peak}, certainty {found['certainty']:g}"


def _sizes(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    area_mm2, longest_mm = found["area_mm2"], found["longest_diameter_mm"]
    in_mm2 = "" if area_mm2 is None else f", {mm2(area_mm2)} mm²"
    yield "Outlined area", f"{found['area_px']} pixels{in_mm2}"
    if found["longest_diameter_px"] is not None:  # nothing is outlined else
        in_mm = "" if longest_mm is None else f", {longest_mm:.1f} mm"
        yield "Longest diameter", f"{found['longest_diameter_px']:.1f} pixels{in_mm}"


def _largest(document: Mapping[str, Any]) -> str:
    """The largest box, where the size of a pixel is known."""
    box = max(document["boxes"], key=lambda each: each["width"] * each["height"], default=None)
    size = _in_mm(box, document) if box else ""
    return f"; the largest{size}" if size else ""


def _in_mm(size: Mapping[str, float], document: Mapping[str, Any]) -> str:
    """A width and a height in millimetres, in brackets; nothing where the size of a pixel is not known."""
    scale = document.get("mm_per_px") or document["image"].get("mm_per_px")  # the caller's, else the file's
    return f" ({size['width'] * scale:.1f} x {size['height'] * scale:.1f} mm)" if scale else ""


def _whole(place: Mapping[str, float]) -> str:
    return f"{place['x']:.0f}, {place['y']:.0f}"


def _class(card: Card | None, name: str) -> ModelClass:
    known = [each for each in card.classes if each.name == name] if card else []
    return known[0] if known else ModelClass(name=name, title=name, colour=GREY, description="")


def percent(probability: float) -> str:
    """A probability as people read it: never rounded to a certainty."""
    value = probability * 100
    if value < 0.01:  # noqa: PLR2004 - the last digit shown
        return "< 0.01 %"
    return "> 99.99 %" if value > 99.99 else f"{value:.2f} %"  # noqa: PLR2004


def share(fraction: float) -> str:
    """A part of the tissue: only nothing is 0 %, and only everything is 100 %."""
    if fraction in {0, 1}:
        return f"{100 * fraction:.0f} %"
    if fraction < 0.0005:  # noqa: PLR2004 - half of the last digit shown
        return "< 0.1 %"
    return "> 99.9 %" if fraction >= 0.9995 else f"{fraction * 100:.1f} %"  # noqa: PLR2004


def mm2(area: float) -> str:
    """Square millimetres with three significant digits."""
    rounded = float(f"{area:.3g}")
    return f"{rounded:,.15f}".rstrip("0").rstrip(".")
