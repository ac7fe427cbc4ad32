import pytest

from oncoserve.cli.client.client_errors import UsageError
from oncoserve.cli.pacs.spool import Spool, SpoolFull


@pytest.fixture
def open_spool(tmp_path):
    opened = []

    def start(most_bytes=100, keep_free_bytes=0):
        opened.append(Spool(tmp_path / "spool", most_bytes, keep_free_bytes))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def contents(spool):
    return [path.read_bytes() for path in spool.ready()]


def test_what_came_by_an_association_is_ready_when_it_ends_in_its_order(open_spool):
    spool = open_spool()
    first, second = spool.begin(), spool.begin()
    second.add(b"c")
    first.add(b"a")
    first.add(b"b")
    second.seal()
    assert contents(spool) == [b"c"]
    assert spool.sealed.is_set()
    first.seal()
    assert contents(spool) == [b"a", b"b", b"c"]


def test_an_association_without_images_leaves_nothing(open_spool, tmp_path):
    spool = open_spool()
    spool.begin().seal()
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["lock"]


def test_what_a_killed_process_left_is_ready_and_new_ones_come_after_it(open_spool):
    spool = open_spool()
    spool.begin().add(b"received")
    spool.close()
    again = open_spool()
    assert contents(again) == [b"received"]
    batch = again.begin()
    batch.add(b"new")
    batch.seal()
    assert contents(again) == [b"received", b"new"]


def test_a_file_that_is_done_makes_room(open_spool, tmp_path):
    spool = open_spool(most_bytes=10)
    batch = spool.begin()
    batch.add(b"12345678")
    with pytest.raises(SpoolFull, match="8 bytes of 10 are taken"):
        batch.add(b"123")
    batch.seal()
    spool.remove(spool.ready()[0])
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["lock"]
    spool.begin().add(b"123")


def test_room_is_counted_after_a_restart(open_spool):
    spool = open_spool(most_bytes=10)
    spool.begin().add(b"12345678")
    spool.close()
    with pytest.raises(SpoolFull):
        open_spool(most_bytes=10).begin().add(b"123")


def test_some_of_the_disk_stays_free(open_spool):
    with pytest.raises(SpoolFull, match="of the disk are free"):
        open_spool(keep_free_bytes=10**18).begin().add(b"1")


def test_it_is_one_process_alone(open_spool):
    open_spool()
    with pytest.raises(UsageError, match="Another process uses the spool"):
        open_spool()
