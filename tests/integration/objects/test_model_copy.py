"""A model repository that lies in a real bucket becomes a folder to serve from, by the command that the chart calls."""

from uuid import uuid4

import pytest

from oncoserve.cli.main import main
from oncoserve.errors import StorageUnavailable
from oncoserve.objects.bucket import Bucket, Place
from oncoserve.objects.model_copy import copy_models
from testbed.servers import free_port
from testbed.storage.seaweed import BUCKET

FILES = {
    "tiny/config.pbtxt": b"name",
    "tiny/card.json": b"{}",
    "tiny/configs/gpu.pbtxt": b"gpu",
    "tiny/1/model.onnx": bytes(range(256)) * 50_000,  # more than is held at once
    "tiny/1/empty": b"",
    "other/config.pbtxt": b"name",
    "half/configs/config.pbtxt": b"no model",
    "README.md": b"words",
}


@pytest.fixture
def place(seaweed):
    prefix = f"models/{uuid4().hex}"
    place = Place(BUCKET, seaweed.endpoint, "us-east-1", prefix, seaweed.access_key_file, seaweed.secret_key_file)
    for key, data in FILES.items():
        Bucket(place, 10).put(key, data)
    return place


@pytest.fixture
def asked_as(place, monkeypatch):
    """The environment of the command, as the chart sets it."""
    monkeypatch.setenv("ONCO_S3_ENDPOINT", place.endpoint)
    monkeypatch.setenv("ONCO_S3_ACCESS_KEY_FILE", str(place.access_key_file))
    monkeypatch.setenv("ONCO_S3_SECRET_KEY_FILE", str(place.secret_key_file))


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_of_it_comes_and_comes_again_when_it_was_changed(place, asked_as, tmp_path, capsys):
    command = ["storage", "fetch", f"s3://{BUCKET}/{place.prefix}/", "--to", str(tmp_path / "models")]
    assert main(command) == 0
    assert files(tmp_path / "models") == FILES
    assert "other, tiny: 8 files, 12.2 MiB." in capsys.readouterr().err
    Bucket(place, 10).put("tiny/card.json", b"[]")
    Bucket(place, 10).put("tiny/2/model.onnx", b"new")
    assert main(command) == 0
    assert files(tmp_path / "models") == FILES | {"tiny/card.json": b"[]", "tiny/2/model.onnx": b"new"}


def test_a_model_is_whole_before_it_has_a_configuration(place, tmp_path):
    class Watched(Bucket):
        def download(self, key, file):
            named = key.endswith("/config.pbtxt")
            assert not named or (tmp_path / "tiny/1/model.onnx").is_file()
            return super().download(key, file)

    assert copy_models(Watched(place, 10), tmp_path).models == ("other", "tiny")


def test_what_is_changed_meanwhile_is_no_file(place, tmp_path):
    class Shortened(Bucket):
        def download(self, key, file):
            file.write(b"x")
            return True

    with pytest.raises(StorageUnavailable, match="was changed while it was read"):
        copy_models(Shortened(place, 10), tmp_path)
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        (f"s3://{BUCKET}/nothing", 3, "There is no model in s3://"),
        ("s3://nobodys/models", 3, "the bucket 'nobodys' does not exist"),
        ("/models", 2, "it looks like s3://bucket/models"),
        ("s3:///models", 2, "it looks like s3://bucket/models"),
    ],
)
def test_what_cannot_be_fetched_is_said(address, code, words, asked_as, tmp_path, capsys):
    assert main(["storage", "fetch", address, "--to", str(tmp_path / "models")]) == code
    assert words in capsys.readouterr().err


def test_a_store_that_is_away_is_said(asked_as, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ONCO_S3_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    assert main(["storage", "fetch", f"s3://{BUCKET}/models", "--to", str(tmp_path)]) == 3
    assert "nothing listens at its address" in capsys.readouterr().err
