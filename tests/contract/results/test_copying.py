"""Results from one kind of place into the other, and back."""

import json
import os
import subprocess
import sys

import pytest

from oncoserve.errors import StorageUnavailable
from oncoserve.results.copying_results import copy
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.results.result_store import secret_of
from oncoserve.settings import PREFIX
from testbed.servers import PROJECT
from tests.contract.results.test_result_store import appended, named, noted

IDS = [f"{number:02x}" * 16 for number in range(5)]


def filled(store):
    """Some results of three owners, one of them with notes, and secrets of two of them."""
    for owner, count in ((None, 5), ("ward", 3), ("lab", 1)):
        for number, result in enumerate(IDS[:count]):
            store.of(owner).save(result, named(result, of=owner), {"picture": bytes([number]) * 100})
    store.of("ward").add_notes(IDS[1], appended("a"))
    return store, secret_of(store), secret_of(store.of("ward"))


def assert_copied(source, target):
    assert target.owners() == source.owners() == ["lab", "ward"]
    for owner in (None, "lab", "ward"):
        have, got = source.of(owner), target.of(owner)
        assert sorted(got.ids()) == sorted(have.ids())
        for result in have.ids():
            assert got.read(result) == have.read(result)
            assert got.files(result) == have.files(result)
        assert got.known_secret() == have.known_secret()
    assert target.of("ward").read(IDS[1]).notes == noted("a")
    assert target.of("lab").known_secret() is None


def test_there_and_back(kept_in, tmp_path):
    source, *_ = filled(kept_in.store())
    backup = FileResults(tmp_path / "backup")
    done = copy(source, backup)
    assert (done.results, done.there, done.gone, done.other_secrets) == (9, 0, 0, 0)
    assert_copied(source, backup)
    again = copy(source, backup)
    assert (again.results, again.there) == (0, 9)
    for owner in (None, "ward", "lab"):
        for result in [*source.of(owner).ids()]:
            source.of(owner).delete(result)
    assert copy(backup, source).results == 9
    assert_copied(backup, source)


def test_one_that_ends_in_the_middle_is_gone_on_with(kept_in, tmp_path):
    source, *_ = filled(FileResults(tmp_path / "source"))
    target = kept_in.store()

    def end(done):
        if done.results == 4:
            raise StorageUnavailable("away")

    with pytest.raises(StorageUnavailable):
        copy(source, target, end)
    assert copy(source, target).results == 5
    assert_copied(source, target)


def test_what_is_damaged_is_counted_and_what_the_target_has_stays(kept_in, tmp_path):
    source, *_ = filled(FileResults(tmp_path / "source"))
    (file,) = (tmp_path / "source").glob(f"*/{IDS[0]}.zip")
    file.write_bytes(b"PK")
    target = kept_in.store()
    target.save(IDS[2], named(IDS[2], of="another"), {})
    own = secret_of(target)
    done = copy(source, target)
    assert (done.results, done.there, done.gone, done.other_secrets) == (7, 1, 1, 1)
    assert json.loads(target.read(IDS[2]).document)["of"] == "another"
    assert secret_of(target) == own


def run(*arguments, **settings):
    env = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    env |= {PREFIX + name.upper(): str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "oncoserve", "storage", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=120)


def test_the_command(seaweed, tmp_path):
    source, *_ = filled(FileResults(tmp_path / "source"))
    settings = seaweed.settings("command")
    done = run("copy", "--from", str(tmp_path / "source"), "--to", "bucket", **settings)
    assert (done.returncode, done.stderr) == (0, "oncoserve: 9 results copied, 0 were there.\n")
    done = run("copy", "--from", "bucket", "--to", str(tmp_path / "back"), **settings)
    assert done.returncode == 0, done.stderr
    assert_copied(source, FileResults(tmp_path / "back"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["copy", "--from", "x", "--to", "x"], 2, "the same place"),
        (["copy", "--from", "x", "--to", "bucket"], 2, "ONCO_S3_BUCKET"),
        (["copy", "--from", "x", "--to", "y", "--jobs"], 2, "ONCO_JOBS=postgres"),
        (["copy", "--from", "x"], 2, "--to"),
    ],
)
def test_what_cannot_be_copied_is_told(arguments, code, words):
    done = run(*arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bucket_that_is_not_there_is_told(seaweed, tmp_path):
    filled(FileResults(tmp_path))
    done = run("copy", "--from", str(tmp_path), "--to", "bucket", **seaweed.settings("x") | {"s3_bucket": "nobodys"})
    assert done.returncode == 3
    assert "the bucket 'nobodys' does not exist" in done.stderr
