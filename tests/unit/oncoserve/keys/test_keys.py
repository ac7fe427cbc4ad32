import hashlib
import hmac
import logging
import os
import resource

import pytest

from oncoserve import keys
from oncoserve.keys import LOOK_EVERY_S, Key, KeyFile, KeyFileError, new_key, read_keys

SHA = hashlib.sha256(b"secret").hexdigest()


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys"


def test_a_new_key_is_long_random_and_kept_only_as_its_hash(path):
    secrets = {new_key("ward-7")[0] for _ in range(100)}
    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {43}  # 32 bytes in base64
    secret, key = new_key("ward-7", 60)
    path.write_text(f"# comment\n\n  {key}  \n")
    assert secret not in path.read_text()
    assert read_keys(path) == (key,)
    assert KeyFile(path).find(secret.encode()) == key


def test_lines_are_read_as_they_are_meant(path):
    path.write_text(f"a {SHA}\nb-2_c\t{SHA}\t120\nd {SHA} 0\n")
    assert read_keys(path) == (Key("a", SHA), Key("b-2_c", SHA, 120), Key("d", SHA, 0))
    path.write_text("")
    assert read_keys(path) == ()


@pytest.mark.parametrize(
    "line",
    ["only-a-name", f"../up {SHA}", f"Big {SHA}", f"a {SHA.upper()}", f"a {SHA[:-1]}", f"a {SHA} many", f"a {SHA} -1",
     f"{'a' * 65} {SHA}", f"a {SHA} 1 2", "a plain-secret"],
)  # fmt: skip
def test_a_wrong_line_is_named_by_number_and_not_repeated(path, line):
    path.write_text(f"good {SHA}\n{line}\n")
    with pytest.raises(KeyFileError, match="line 2: expected `name sha256") as told:
        KeyFile(path)
    assert line not in str(told.value)


def test_a_file_that_is_not_there_or_not_text(path):
    with pytest.raises(KeyFileError, match="No such file"):
        KeyFile(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(KeyFileError, match="cannot be read"):
        KeyFile(path)


@pytest.mark.parametrize("given", [b"", b"Secret", b"secret ", SHA.encode(), b"\xff\x00"])
def test_another_secret_is_no_key(path, given):
    path.write_text(f"a {SHA}\n")
    assert KeyFile(path).find(b"secret").name == "a"
    assert KeyFile(path).find(given) is None


@pytest.mark.parametrize("given", [b"first", b"last", b"none"])
def test_every_key_is_compared_in_constant_time_whichever_was_given(path, monkeypatch, given):
    compared = []
    path.write_text("".join(f"{name} {hashlib.sha256(name.encode()).hexdigest()}\n" for name in ("first", "b", "last")))
    file = KeyFile(path)
    monkeypatch.setattr(keys.hmac, "compare_digest", lambda *pair: compared.append(pair) or real(*pair))
    file.find(given)
    assert len(compared) == 3


real = hmac.compare_digest


def test_a_change_is_seen_without_a_restart_and_looked_for_once_a_second(path):
    clock = Clock()
    path.write_text(f"a {SHA}\n")
    file = KeyFile(path, clock)
    path.write_text("")  # the key is taken away
    assert file.find(b"secret") is not None
    clock.now = LOOK_EVERY_S
    assert file.find(b"secret") is None
    other = path.with_suffix(".new")
    other.write_text(f"b {SHA}\n")
    os.replace(other, path)  # noqa: PTH105 - how careful tools change a file
    clock.now += LOOK_EVERY_S
    assert file.find(b"secret").name == "b"


def test_a_change_that_keeps_size_and_time_is_seen_by_its_inode(path):
    clock = Clock()
    path.write_text(f"a {SHA}\n")
    status = path.stat()
    file = KeyFile(path, clock)
    other = path.with_suffix(".new")
    other.write_text(f"b {SHA}\n")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    clock.now = LOOK_EVERY_S
    assert file.find(b"secret").name == "b"


def test_a_process_that_is_brought_back_has_the_last_good_keys_until_the_file_is_right_again(path, tmp_path):
    clock, shared = Clock(), tmp_path / "shared"
    shared.mkdir()
    path.write_text(f"a {SHA}\n")
    KeyFile(path, clock, shared)
    path.write_text(f"b {SHA[:9]}")  # half of it is written
    again = KeyFile(path, clock, shared)
    assert again.find(b"secret").name == "a"
    assert again.find(b"another") is None
    path.write_text(f"c {SHA}\n")
    clock.now += LOOK_EVERY_S
    assert again.find(b"secret").name == "c"
    path.unlink()
    assert KeyFile(path, clock, shared).find(b"secret").name == "c"


def test_a_file_that_could_not_be_read_is_tried_again_although_it_is_the_same(path):
    """As by a process that has no descriptor left for a while."""
    clock = Clock()
    path.write_text(f"a {SHA}\n")
    file = KeyFile(path, clock)
    path.write_text(f"b {SHA}\n")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        clock.now += LOOK_EVERY_S
        assert file.find(b"secret").name == "a"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    clock.now += LOOK_EVERY_S
    assert file.find(b"secret").name == "b"


@pytest.mark.parametrize("how", ["broken", "away"])
def test_a_file_that_breaks_keeps_the_last_good_keys_and_is_told_once(path, caplog, how):
    clock = Clock()
    path.write_text(f"a {SHA}\n")
    file = KeyFile(path, clock)
    path.write_text("nonsense\n") if how == "broken" else path.unlink()
    for _ in range(3):
        clock.now += LOOK_EVERY_S
        assert file.find(b"secret").name == "a"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    path.write_text(f"mended {SHA}\n")
    clock.now += LOOK_EVERY_S
    assert file.find(b"secret").name == "mended"
