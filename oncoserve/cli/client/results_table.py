"""results.csv: a row a picture, a column for each number that any of them has."""

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oncoserve.cli.client.collecting import DOCUMENT, result_folder
from oncoserve.cli.client.run_state import Ending, RunState
from oncoserve.runtime.files import write_whole

FILE = "results.csv"
FIRST = ("file", "state", "result")
LAST = ("warnings", "error", "detail")
# What is the same for all pictures, or stands in a column of its own.
NO_COLUMNS = {"id", "model", "version", "task", "warnings", "image", "timings_ms", "provenance", "links"}
YET_COLUMNS = {
    "image.orientation",  # places are upright, and the picture's own pixels may lie otherwise
    "image.mm_per_px",
    *(f"image.dicom.{each}" for each in ("series", "position_mm", "frame")),  # which slice it is
}
# What spreadsheets take for a formula, with the full-width forms: OWASP, CSV injection.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_table(out: Path, state: RunState) -> Counter[str]:
    """Write the table of all pictures that have ended.

    Returns:
        How many of those with a result have no label, by the code that says why.
    """
    rows, unnamed = [], Counter[str]()
    for name, ending in sorted(state.done.items()):
        document = _document(out, name) if ending.state == "SUCCEEDED" and ending.result else {}
        rows.append(_row(name, ending, document))
        if document.get("label", "") is None and "labels" not in document:
            unnamed[_reason(document)] += 1
    columns = {column: None for row in rows for column in row if column not in FIRST + LAST}
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, [*FIRST, *columns, *LAST], restval="")
    writer.writerow({column: safe(column) for column in writer.fieldnames})
    writer.writerows({column: safe(value) for column, value in row.items()} for row in rows)
    # With the mark at its beginning: without it Excel takes UTF-8 for the computer's old code page and spoils letters.
    text = buffer.getvalue().encode("utf-8", "replace")
    write_whole(out / FILE, codecs.BOM_UTF8 + text, durable=True)
    return unnamed


def safe(value: object) -> object:
    """The value for a cell: a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _document(out: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((result_folder(out, name) / DOCUMENT).read_bytes())
    return document


def _row(name: str, ending: Ending, document: dict[str, Any]) -> dict[str, object]:
    row: dict[str, object] = {"file": name, "state": ending.state, "result": ending.result}
    row |= {"error": ending.code, "detail": ending.detail, "warnings": " ".join(_warnings(document))}
    row |= {
        column: value
        for column, value in _flat(document)
        if column in YET_COLUMNS or column.split(".", 1)[0] not in NO_COLUMNS
    }
    return row


def _warnings(document: dict[str, Any]) -> list[str]:
    return [each["code"] for each in document.get("warnings", ())]


def _reason(document: dict[str, Any]) -> str:
    """The code of why there is no label."""
    undetermined = document.get("undetermined") or {"code": next(iter(_warnings(document)), "unknown")}
    return str(undetermined["code"])


def _flat(document: dict[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    """Columns and values: {"areas": {"lumen": {"mm2": 1}}} is areas.lumen.mm2; lists and what is null have none."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        elif name == "labels":
            yield above + name, " ".join(value)
        elif not isinstance(value, list | None):
            yield above + name, value
