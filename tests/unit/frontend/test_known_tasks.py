"""Each kind of task is known wherever the front door has something of its own for it; CONTRIBUTING.md has the list."""

import re
from pathlib import Path
from typing import get_args

import pytest

from frontend.http.shapes.job_shapes import FindingShape
from frontend.http.shapes.result_shapes import Result
from oncoserve.tasks import TASKS

PAGES = Path("frontend/pages")
KINDS = {task.kind for task in TASKS}
EXPORTS = {"table", "headline", "rows", "facts", "view", "layer"}


def test_its_result_has_a_shape():
    union, _ = get_args(Result)
    assert {get_args(shape.model_fields["task"].annotation)[0] for shape in get_args(union)} == KINDS


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_its_finding_has_a_shape(task):
    union, _ = get_args(FindingShape)
    (shape,) = [each for each in get_args(union) if get_args(each.model_fields["task"].annotation) == (task.kind,)]
    of_every_task = {"task", "version", "warnings", "slice"}
    assert {*task.finding({"warnings": []}), *of_every_task} == shape.model_fields.keys()


def test_the_page_offers_its_models():
    (known,) = re.findall(r"set known_tasks = \[(.*?)\]", (PAGES / "templates/index.html").read_text())
    assert set(re.findall(r'"(\w+)"', known)) == KINDS


def test_the_page_has_a_module_for_it():
    (known,) = re.findall(r"TASKS = \{(.*?)\}", (PAGES / "static/tasks.js").read_text())
    assert set(re.findall(r"\w+", known)) == KINDS


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_its_module_has_what_the_page_asks_for(kind):
    text = (PAGES / f"static/{kind}.js").read_text()
    exported = re.findall(r"^export (?:const|function) (\w+)", text, re.MULTILINE)
    passed_on = " ".join(re.findall(r"^export \{(.*?)\} from", text, re.MULTILINE))
    assert {*exported, *re.findall(r"\w+", passed_on)} >= EXPORTS
