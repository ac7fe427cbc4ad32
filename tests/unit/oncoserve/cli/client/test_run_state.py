import json

import pytest

from oncoserve.cli.client.client_errors import UsageError
from oncoserve.cli.client.run_state import FILE, Attempt, Ending, RunState, load, lock

RUN = {"folder": "/pictures", "model": "tiny"}
HEAD = json.dumps({"version": 1, "run": RUN})


@pytest.fixture
def state(tmp_path):
    made = RunState(RUN, tmp_path / FILE)
    made.note_attempt(Attempt({"a.png": "aa", "b.png": "bb"}, None))
    made.note_job("1", {"a.png": "aa", "b.png": "bb"})
    made.note_done({"a.png": Ending("SUCCEEDED", "ff"), "b.png": Ending("FAILED", None, "corrupt_image", "Cut.")})
    made.note_attempt(Attempt({"\udcff.png": "cc"}, {"id": "1", "created": "2026"}))
    return made


def test_what_is_noted_is_loaded(state, tmp_path):
    assert load(tmp_path, RUN) == state
    assert state.sent() == {"a.png": "aa", "b.png": "bb"}
    assert state.attempt.pictures == {"\udcff.png": "cc"}
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def test_killed_in_the_middle_of_any_note_the_ones_before_count(state, tmp_path):
    """The journal is cut off after each of its bytes, from the first note on."""
    whole = (tmp_path / FILE).read_bytes()
    for length in range(whole.index(b"\n") + 1, len(whole)):
        (tmp_path / FILE).write_bytes(whole[:length])
        found = load(tmp_path, RUN)
        assert (len(found.jobs), len(found.done)) in {(0, 0), (1, 0), (1, 2)}
        found.note_job("2", {})
        assert load(tmp_path, RUN) == found


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{\n",
        "[]\n",
        '{"run": {}}\n',
        f"{HEAD}\nnot JSON\n",
        f'{HEAD}\n{{"done": 3}}\n',
    ],
)
def test_a_damaged_state_is_not_taken_for_an_empty_one(tmp_path, damage):
    (tmp_path / FILE).write_text(damage)
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path, RUN)


def test_another_runs_state_is_refused_by_what_differs(state, tmp_path):
    with pytest.raises(UsageError, match="another model: 'tiny', now 'other'"):
        load(tmp_path, RUN | {"model": "other"})


def test_a_state_of_another_version_is_refused(tmp_path):
    (tmp_path / FILE).write_text(HEAD.replace("1", "2", 1) + "\n")
    with pytest.raises(UsageError, match="another version: 2, now 1"):
        load(tmp_path, RUN)


def test_a_run_killed_before_its_first_note_can_go_on(tmp_path):
    (tmp_path / f".{FILE}.part").write_text("{")
    assert load(tmp_path, RUN) == RunState(RUN, tmp_path / FILE)


def test_one_client_at_a_time(tmp_path):
    with lock(tmp_path), pytest.raises(UsageError, match="Another client"), lock(tmp_path):
        pass
    with lock(tmp_path):
        pass
