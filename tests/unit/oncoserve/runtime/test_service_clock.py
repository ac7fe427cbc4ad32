"""The clock on a machine whose time and starts the test decides."""

import pytest

from oncoserve.runtime.service_clock import FILE, RATE, TRUSTED_S, WATCHED_S, ServiceClock

DAY = 24 * 3600.0


class Machine:
    """Its clock can be set; it can be started anew."""

    def __init__(self, folder):
        self.folder, self.wall, self.uptime, self.boot = folder, 1e9, 500.0, "first"

    def run(self, seconds):
        self.wall += seconds
        self.uptime += seconds

    def restart(self, off_s):
        self.wall, self.uptime, self.boot = self.wall + off_s, 5.0, self.boot + "+"

    def clock(self):
        return ServiceClock(self.folder, lambda: self.wall, lambda: self.uptime, lambda: self.boot)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_it_shows_the_time(machine):
    clock = machine.clock()
    machine.run(3 * DAY)
    assert clock.now() == clock.stamp() == clock.steady() == machine.wall
    clock.tick()
    assert clock.now() == machine.clock().now() == machine.wall


@pytest.mark.parametrize("jump", [8 * DAY, -8 * DAY, 3600, -3600])
@pytest.mark.parametrize("again", [False, True])
def test_a_jump_changes_no_age_and_no_lease_also_not_for_who_starts_after_it(machine, jump, again, caplog):
    clock = machine.clock()
    clock.tick()
    before = machine.wall
    machine.wall += jump
    if again:
        clock = machine.clock()
    for _ in range(5):
        machine.run(10)
        clock.tick()
    assert clock.steady() == before + 50
    assert abs(clock.now() - before - 50) <= RATE * 50
    assert abs(clock.stamp() - before - 50) <= RATE * 50
    assert [record.message for record in caplog.records] == ["the clock of the machine jumped; nothing expires for it"]


def test_it_comes_to_the_time_slowly(machine):
    clock = machine.clock()
    machine.wall += 5
    for _ in range(10):
        machine.run(10)
        clock.tick()
    assert clock.now() == machine.wall


def test_processes_go_by_one_file(machine):
    first, second = machine.clock(), machine.clock()
    machine.wall += 3600
    for _ in range(10):
        machine.run(10)
        first.tick()
        second.tick()
    assert first.now() == second.now()
    assert first.now() - 1e9 - 100 == pytest.approx(RATE * 100)


def test_a_machine_that_was_off_for_a_while_is_believed(machine):
    machine.clock().tick()
    machine.restart(TRUSTED_S - 1)
    assert machine.clock().now() == machine.wall


def test_a_machine_that_was_off_for_long_is_believed_when_it_has_shown_that_time_for_an_hour(machine, caplog):
    machine.clock().tick()
    off = machine.wall
    machine.restart(8 * DAY)
    clock = machine.clock()
    assert (clock.now(), clock.stamp()) == (off, machine.wall)
    machine.run(WATCHED_S - 1)
    clock.tick()
    clock = machine.clock()  # a process that is started anew goes on to watch
    assert clock.now() == off + WATCHED_S - 1
    assert clock.stamp() == machine.wall
    machine.run(1)
    clock.tick()
    assert clock.now() == clock.stamp() == machine.wall
    assert clock.steady() == off + WATCHED_S, "a lease would end because of it"
    assert len(caplog.records) == 2


def test_a_wrong_time_after_a_start_that_is_put_right_within_the_hour_is_never_believed(machine):
    machine.clock().tick()
    before = machine.wall
    machine.restart(8 * DAY)
    clock = machine.clock()
    machine.run(60)
    machine.wall -= 8 * DAY
    clock.tick()
    machine.run(2 * WATCHED_S)
    clock.tick()
    assert clock.now() == clock.stamp() == machine.wall == before + 60 + 2 * WATCHED_S


def test_a_clock_that_is_behind_after_a_start_makes_nothing_young_again(machine):
    machine.clock().tick()
    before = machine.wall
    machine.restart(-8 * DAY)
    assert machine.clock().now() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"steady": 1}', bytes(40)])
def test_without_its_file_it_goes_by_the_newest_result(machine, content):
    shard = machine.folder / "ab"
    shard.mkdir()
    newest = shard.stat().st_mtime
    (machine.folder / FILE).write_bytes(content)
    machine.wall = newest + 8 * DAY
    assert machine.clock().now() == newest
    machine.wall = newest + 60
    assert machine.clock().now() == newest + 60
    machine.wall = newest - 60
    assert machine.clock().now() == newest - 60


def test_the_real_one_runs(tmp_path):
    clock = ServiceClock(tmp_path / "not there")
    clock.tick()
    assert clock.ahead_s() == pytest.approx(0, abs=1)
    assert list(tmp_path.iterdir()) == []
