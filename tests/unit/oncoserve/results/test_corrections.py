import json

import pytest

from oncoserve.errors import TooManyCorrections
from oncoserve.results.corrections import MAX_VIEWS, changed, parse, possible
from oncoserve.tasks.maps.map_renderings import View


def test_each_view_has_its_own():
    notes = changed(None, View(threshold=0.5), frozenset({"lumen-2", "lumen-1"}))
    notes = changed(notes, View(threshold=0.8), frozenset({"epithelium-1"}))
    assert parse(notes) == {'{"threshold":0.5}': ["lumen-1", "lumen-2"], '{"threshold":0.8}': ["epithelium-1"]}
    notes = changed(notes, View(threshold=0.5), frozenset({"lumen-3"}))
    assert parse(notes)['{"threshold":0.5}'] == ["lumen-3"]
    assert parse(changed(notes, View(threshold=0.5), frozenset())) == {'{"threshold":0.8}': ["epithelium-1"]}
    assert parse(None) == {}


def test_there_is_an_end_to_it():
    full = json.dumps({f'{{"threshold":{index}}}': ["lumen-1"] for index in range(MAX_VIEWS)}).encode()
    with pytest.raises(TooManyCorrections):
        changed(full, View(threshold=0.123), frozenset({"lumen-1"}))
    changed(full, View(threshold=0.123), frozenset())


@pytest.mark.parametrize(("task", "may"), [("segmentation", True), ("classification", False), (None, True)])
def test_what_may_have_notes(task, may):
    document = {"id": "f" * 32} if task is None else {"task": task}
    assert possible(json.dumps(document).encode()) is may
