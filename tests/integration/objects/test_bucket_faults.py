"""Buckets that cannot be asked, and what is said of them: the cause, without addresses, keys or requests."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from oncoserve.errors import StorageUnavailable
from oncoserve.objects.bucket import Bucket, Place
from oncoserve.objects.bucket_watch import BucketWatch
from testbed.servers import PROJECT, free_port
from testbed.storage.certificate import write_certificate
from testbed.storage.seaweed import BUCKET, Seaweed

SOON_S = 2.0
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@pytest.fixture
def place(seaweed):
    return Place(BUCKET, seaweed.endpoint, "us-east-1", uuid4().hex, seaweed.access_key_file, seaweed.secret_key_file)


def written(path, text):
    path.write_text(text)
    return path


@contextlib.contextmanager
def silent():
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


FAULTS = {
    "no such bucket": (lambda place, folder: replace(place, bucket="nobodys"), "the bucket 'nobodys' does not exist"),
    "unknown key": (
        lambda place, folder: replace(place, access_key_file=written(folder / "key", "stranger")),
        "it does not know the access key",
    ),
    "wrong secret": (
        lambda place, folder: replace(place, secret_key_file=written(folder / "key", "wrong")),
        "the secret key is not that of the access key",
    ),
    "key file gone": (
        lambda place, folder: replace(place, access_key_file=folder / "gone"),
        "what requests are signed with cannot be read",
    ),
    "nobody listens": (
        lambda place, folder: replace(place, endpoint=f"http://127.0.0.1:{free_port()}"),
        "nothing listens at its address",
    ),
    "unknown host": (
        lambda place, folder: replace(place, endpoint="http://nosuch.invalid"),
        "its host name is not known",
    ),
    "no TLS": (
        lambda place, folder: replace(place, endpoint=place.endpoint.replace("http:", "https:")),
        "it does not speak TLS",
    ),
}


@pytest.mark.parametrize(("change", "words"), FAULTS.values(), ids=FAULTS)
def test_the_cause_is_told(place, tmp_path, change, words):
    changed = change(place, tmp_path)
    with pytest.raises(StorageUnavailable) as told:
        list(Bucket(changed, SOON_S).list("results"))
    said = str(told.value)
    assert words in said
    assert changed.endpoint not in said
    assert "\n" not in said


def test_a_bucket_that_is_gone_is_not_taken_for_one_without_the_object(place, tmp_path):
    """Else a worker would end an image for good whose picture is only out of reach."""
    gone = Bucket(replace(place, bucket="nobodys"), SOON_S)
    with (tmp_path / "copy").open("wb") as file:
        for ask in (lambda: gone.get("x"), lambda: gone.get("x", 10), lambda: gone.download("x", file)):
            with pytest.raises(StorageUnavailable, match="the bucket 'nobodys' does not exist"):
                ask()
    assert Bucket(place, SOON_S).get("x") is None


def test_one_that_says_nothing_is_waited_for_so_long_and_no_longer(place):
    with silent() as port:
        bucket = Bucket(replace(place, endpoint=f"http://127.0.0.1:{port}"), SOON_S)
        began = time.monotonic()
        with pytest.raises(StorageUnavailable, match="it did not answer in time"):
            bucket.get("results/x")
        assert time.monotonic() - began < 3 * SOON_S


def test_a_store_has_to_show_who_it_is(tmp_path, unavailable):
    if missing := Seaweed.missing():
        unavailable("seaweed", f"not installed: {missing}")
    certificate, key = write_certificate(tmp_path)
    with Seaweed(tmp_path, certificate, key) as own:
        keys = own.access_key_file, own.secret_key_file
        known = Place(BUCKET, own.endpoint, "us-east-1", "x", *keys, certificate)
        Bucket(known, 60).put("kept", b"1")
        for stranger in (
            replace(known, ca_file=None),
            replace(known, endpoint=own.endpoint.replace("127.0.0.1", "localhost")),
        ):
            with pytest.raises(StorageUnavailable, match="its certificate is not one that is trusted here"):
                Bucket(stranger, SOON_S).get("kept")


def test_a_clock_that_is_far_off_is_told(place, unavailable):
    """It is the process's whose requests are signed, so it is one of its own."""
    if not Path(FAKETIME).exists():
        unavailable("faketime", "not installed: faketime")
    ask = (
        "import sys; from pathlib import Path; from oncoserve.objects.bucket import Bucket, Place; "
        "_, bucket, endpoint, access, secret = sys.argv; "
        "list(Bucket(Place(bucket, endpoint, 'us-east-1', '', Path(access), Path(secret)), 5).list('x'))"
    )
    keys = [str(place.access_key_file), str(place.secret_key_file)]
    done = subprocess.run(
        [sys.executable, "-c", ask, place.bucket, place.endpoint, *keys],
        cwd=PROJECT,
        env=os.environ | {"LD_PRELOAD": FAKETIME, "FAKETIME": "+3h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
        capture_output=True,
        text=True,
    )
    assert "the clocks of this machine and of the store differ" in done.stderr


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExpiredToken", "the credentials have expired"),
        ("AuthorizationHeaderMalformed", "in another region"),
        ("AccessDenied", "may not do this"),
        ("QuotaExceeded", "no room left"),
        ("SomethingNew", "it answered SomethingNew"),
    ],
)
def test_what_a_store_answers_is_told_in_words(code, words, place):
    """The store beside us has no roles whose keys expire, and one region: another answers as S3 is documented to."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>secret words</Message></Error>".encode()

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        bucket = Bucket(replace(place, endpoint=f"http://127.0.0.1:{server.server_port}"), SOON_S)
        with pytest.raises(StorageUnavailable) as told:
            list(bucket.list("x"))
        server.shutdown()
    assert words in str(told.value)
    assert "secret words" not in str(told.value)


def test_keys_that_are_replaced_are_taken_up(place, tmp_path, seaweed):
    secret = written(tmp_path / "secret", "wrong")
    bucket = Bucket(replace(place, secret_key_file=secret), SOON_S)
    with pytest.raises(StorageUnavailable):
        bucket.put("x", b"1")
    secret.write_text(seaweed.secret_key_file.read_text())
    assert Bucket(replace(place, secret_key_file=secret), SOON_S).put("x", b"1")


def test_of_writes_where_others_wrote_none_is_kept(place):
    bucket, another = Bucket(place, SOON_S), Bucket(place, SOON_S)
    assert bucket.create("x", b"1")
    assert not another.create("x", b"2")
    content, etag = another.get("x")
    assert content == b"1"
    assert bucket.replace("x", b"3", etag)
    assert not another.replace("x", b"4", etag)
    assert another.get("x")[0] == b"3"
    bucket.delete("x")
    bucket.delete("x")
    assert another.get("x") is None
    assert another.stat("x") is None
    assert not bucket.replace("x", b"5", etag)


def test_a_part_of_an_object_is_got(place):
    bucket = Bucket(place, SOON_S)
    bucket.put("whole", bytes(range(100)))
    bucket.put("empty", b"")
    assert bucket.get("whole", 10)[0] == bytes(range(10))
    assert bucket.get("whole", 1000)[0] == bytes(range(100))
    assert bucket.get("empty", 10)[0] == b""


def test_many_are_listed(place):
    bucket = Bucket(place, 10)
    for number in range(1100):
        bucket.put(f"results/{number:04}/result.zip", b"x")
    assert [each.key for each in bucket.list("results")] == [
        f"results/{number:04}/result.zip" for number in range(1100)
    ]
    assert [each.size_bytes for each in bucket.list("results/0007")] == [1]
    assert list(bucket.list("result")) == []  # a folder, not the beginning of a name


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def got(bucket, key):
    with contextlib.suppress(StorageUnavailable):
        return bucket.get(key)[0]
    return None


def test_a_store_that_is_killed_frozen_and_back_is_told_of_each_time(tmp_path, unavailable, caplog):
    if missing := Seaweed.missing():
        unavailable("seaweed", f"not installed: {missing}")
    caplog.set_level("INFO")
    with Seaweed(tmp_path) as own:
        place = Place(BUCKET, own.endpoint, "us-east-1", "x", own.access_key_file, own.secret_key_file)
        watch = BucketWatch(Bucket(place, SOON_S), SOON_S)
        with watch.watched():
            wait_for(lambda: watch.error is None)
            Bucket(place, 60).put("kept", b"1")  # the first makes room in the store, which takes a busy machine a while
            own.process.send_signal(signal.SIGSTOP)
            wait_for(lambda: watch.error is not None)
            own.process.send_signal(signal.SIGCONT)
            wait_for(lambda: watch.error is None)
            own.kill()
            wait_for(lambda: watch.error is not None)
            with pytest.raises(StorageUnavailable):
                watch.check()
            own.start()
            own.wait_ready()
            wait_for(lambda: watch.error is None)
            watch.check()
            wait_for(lambda: got(watch.bucket, "kept") == b"1")  # it lists before it has all of its volumes
    told = [record.message for record in caplog.records if record.name.startswith("oncoserve")]
    assert told == ["new work is refused", "the object store answers again"] * 2


def test_the_time_is_the_stores(place, monkeypatch, caplog):
    watch = BucketWatch(Bucket(place, SOON_S), SOON_S)
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: real + 500.0)
    assert watch.now() == pytest.approx(real, abs=10)
    assert [record.ahead_s for record in caplog.records] == [pytest.approx(500, abs=10)]
