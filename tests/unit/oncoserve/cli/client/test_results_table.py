"""results.csv from the documents of results."""

import json

import pytest

from oncoserve.cli.client.collecting import DOCUMENT, result_folder
from oncoserve.cli.client.results_table import write_table
from oncoserve.cli.client.run_state import FILE, Ending, RunState

WARNED = [{"code": "blank_picture", "message": "It is blank."}]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"undetermined": {"code": "nothing_seen"}}, "nothing_seen"),
        ({"warnings": WARNED}, "blank_picture"),
        ({"undetermined": None}, "unknown"),
    ],
)
def test_a_picture_without_a_label_is_counted_by_the_reason_as_far_as_there_is_one(tmp_path, more, code):
    state = RunState({}, tmp_path / FILE)
    folder = result_folder(tmp_path, "a.png")
    folder.mkdir(parents=True)
    (folder / DOCUMENT).write_text(json.dumps({"label": None, "warnings": [], **more}))
    state.done["a.png"] = Ending("SUCCEEDED", "f" * 32)
    assert write_table(tmp_path, state) == {code: 1}
