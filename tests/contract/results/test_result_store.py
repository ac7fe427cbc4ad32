"""What the service expects of the place that keeps its results."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from oncoserve.errors import ResultNotFound
from oncoserve.results import damage as damage_module
from oncoserve.results.result_store import secret_of

ID = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32


def named(result=ID, **more):
    """A document; its id is what tells that it is what was stored under this name."""
    return json.dumps({"id": result, **more}).encode()


def appended(text):
    """Adds one more object to the notes' only view."""
    return lambda notes: json.dumps({"view": [*json.loads(notes or '{"view": []}')["view"], text]}).encode()


def noted(*texts):
    return json.dumps({"view": [*texts]}).encode()


def absent(store, result=ID):
    """Nothing of a result is there."""
    assert store.find(result) is None
    for refused in (
        store.read,
        store.files,
        store.delete,
        store.sync,
        lambda each: store.add_notes(each, appended("")),
    ):
        with pytest.raises(ResultNotFound):
            refused(result)
    return True


def test_what_is_kept_is_read_elsewhere_and_again(kept_in):
    store, another = kept_in.store(), kept_in.store()
    assert absent(store)
    store.save(ID, named(), {"picture": b"pixels", "saliency.npy": b"map"})
    for each in (store, another, another):
        assert each.read(ID).document == each.find(ID).document == named()
        assert each.files(ID) == {"picture": b"pixels", "saliency.npy": b"map"}
        each.sync(ID)
    assert store.find(ID).file_bytes == another.read(ID).file_bytes > len(named()) + 9
    assert absent(another, OTHER)


def test_what_is_kept_again_replaces_what_was_there(kept_in):
    store, another = kept_in.store(), kept_in.store()
    store.save(ID, named(of="old"), {"picture": b"old"})
    assert another.files(ID) == {"picture": b"old"}
    store.save(ID, named(of="new"), {"picture": b"new"})
    assert another.read(ID).document == named(of="new")
    assert another.files(ID) == {"picture": b"new"}


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..", "", "0" * 31, "0" * 33, ID.upper(), f"{ID}/../x", f"{ID}\n"]
)
def test_what_is_no_id_is_never_looked_for(kept_in, name):
    assert absent(kept_in.store(), name)


def test_owners_do_not_meet(kept_in):
    store = kept_in.store()
    ward, lab = store.of("ward"), store.of("lab")
    ward.save(ID, named(of="ward"), {"picture": b"pixels"})
    ward.add_notes(ID, appended("a"))
    for other in (lab, store):
        assert absent(other)
    lab.save(ID, named(of="lab"), {})
    for each in (ward, store.of("ward"), kept_in.store().of("ward")):
        assert (each.read(ID).document, each.read(ID).notes) == (named(of="ward"), noted("a"))
    assert lab.read(ID).notes is None
    assert store.of(None) is store


def test_deleted_is_gone_for_all_and_leaves_nothing(kept_in):
    store, another = kept_in.store().of("ward"), kept_in.store().of("ward")
    store.save(ID, named(), {"picture": b"pixels"})
    store.add_notes(ID, appended("a"))
    assert another.files(ID)
    assert another.read(ID).notes
    store.delete(ID)
    assert absent(another)
    assert absent(store)
    assert kept_in.names() == []


@pytest.mark.parametrize(("ttl_s", "there"), [(0, True), (1100, True), (900, False)])
def test_expired_is_not_there_before_any_sweep(kept_in, ttl_s, there):
    store = kept_in.store(ttl_s).of("ward")
    store.save(ID, named(), {"picture": b"pixels"})
    store.add_notes(ID, appended("a"))
    kept_in.pass_time(1000)
    if not there:
        assert absent(store)
        return
    assert store.read(ID).notes == noted("a")
    assert store.find(ID).document == named()


def test_notes_make_no_result_live_longer(kept_in):
    store = kept_in.store(1000)
    store.save(ID, named(), {})
    kept_in.pass_time(900)
    store.add_notes(ID, appended("a"))
    kept_in.pass_time(200)
    assert absent(store)


def test_notes_are_added_one_to_the_other(kept_in):
    store, another = kept_in.store(), kept_in.store()
    store.save(ID, named(), {})
    assert store.read(ID).notes is None
    store.add_notes(ID, appended("a"))
    another.add_notes(ID, appended("b"))
    assert store.read(ID).notes == another.read(ID).notes == noted("a", "b")


def test_notes_of_several_writers_are_all_kept(kept_in):
    stores = [kept_in.store() for _ in range(4)]
    stores[0].save(ID, named(), {})
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda index: stores[index % 4].add_notes(ID, appended(str(index))), range(40)))
    assert sorted(map(int, json.loads(stores[0].read(ID).notes)["view"])) == list(range(40))


def test_notes_that_fail_leave_the_old_ones(kept_in):
    store = kept_in.store()
    store.save(ID, named(), {})
    store.add_notes(ID, appended("a"))

    def refuse(_):
        raise KeyError

    with pytest.raises(KeyError):
        store.add_notes(ID, refuse)
    assert store.read(ID).notes == noted("a")
    assert len(kept_in.names()) == 2


DAMAGE = {
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[:-8],
    "zeros": lambda whole: bytes(len(whole)),
    "changed": lambda whole: whole.replace(b"pixels", b"pixel5"),
    "no archive": lambda whole: b"<html>",
    "of another": lambda whole: whole.replace(ID.encode(), b"f" * 32),
    "zeros in the middle": lambda whole: whole[:20] + bytes(60) + whole[80:],
}


def told_of_damage(caplog):
    """Without what the bucket's cache says of a folder that was removed while it was filled."""
    return [record for record in caplog.records if record.name == damage_module.__name__]


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_counts_as_absent_is_told_once_and_can_be_replaced_or_deleted(kept_in, caplog, damage):
    store = kept_in.store().of("ward")
    store.save(ID, named(), {"picture": b"pixels"})
    kept_in.change(kept_in.archive.format(ID), damage)
    for _ in range(3):
        assert store.find(ID) is None
        with pytest.raises(ResultNotFound):
            store.files(ID)
    assert [record.file for record in told_of_damage(caplog)] == [kept_in.archive.format(ID)]
    assert kept_in.damaged == [1]
    store.save(ID, named(), {"picture": b"pixels"})
    assert store.find(ID).document == named()
    kept_in.change(kept_in.archive.format(ID), lambda _: b"")
    store.delete(ID)
    assert kept_in.names() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"view": 1}', b'{"view": [1]}', bytes(20)])
def test_damaged_notes_count_as_none(kept_in, caplog, content):
    store = kept_in.store()
    store.save(ID, named(), {})
    store.add_notes(ID, appended("a"))
    kept_in.change(kept_in.notes.format(ID), lambda _: content)
    assert store.read(ID).notes is None
    assert len(told_of_damage(caplog)) == 1
    store.add_notes(ID, appended("b"))
    assert store.read(ID).notes == noted("b")


def test_pseudonyms_have_a_secret_of_each_owner(kept_in):
    store = kept_in.store()
    secret = secret_of(store)
    assert len(secret) == 32
    assert secret_of(kept_in.store()) == secret
    assert secret_of(store.of("one")) not in {secret, secret_of(store.of("two"))}


def test_of_many_who_ask_first_one_makes_the_secret(kept_in):
    stores = [kept_in.store() for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(secret_of, stores))) == 1
