import pytest

from client.errors import UsageError
from client.state import FILE, Attempt, Outcome, State, load, lock

RUN = {"folder": "/pictures", "model": "tiny"}


def test_what_is_saved_is_loaded(tmp_path):
    state = State(
        RUN,
        {"1": {"a.png": "aa", "b.png": "bb"}},
        {"a.png": Outcome("SUCCEEDED", "ff")},
        Attempt({"c.png": "cc"}, {"id": "1"}),
    )
    state.save(tmp_path)
    assert load(tmp_path, RUN) == state
    assert state.sent() == {"a.png": "aa", "b.png": "bb"}
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def test_names_that_are_no_unicode_survive(tmp_path):
    state = State(RUN, {"1": {"\udcff.png": "ff"}})
    state.save(tmp_path)
    assert load(tmp_path, RUN) == state


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"run": {}, "jobs": {}}', '{"run": {}, "jobs": {}, "done": 3}'])
def test_a_damaged_state_is_not_taken_for_an_empty_one(tmp_path, damage):
    (tmp_path / FILE).write_text(damage)
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path, RUN)


def test_a_run_killed_while_it_first_saved_can_go_on(tmp_path):
    (tmp_path / f".{FILE}.part").write_text("{")
    assert load(tmp_path, RUN) == State(RUN)


def test_one_client_at_a_time(tmp_path):
    with lock(tmp_path), pytest.raises(UsageError, match="Another client"), lock(tmp_path):
        pass
    with lock(tmp_path):
        pass
