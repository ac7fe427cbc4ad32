import pytest
from pydantic import ValidationError

from frontend.settings import Settings


def test_defaults_and_environment(monkeypatch):
    monkeypatch.setenv("ONCO_PORT", "5999")
    settings = Settings.from_environment()
    assert (settings.host, settings.port) == ("127.0.0.1", 5999)


def test_unknown_names_abort(monkeypatch):
    monkeypatch.setenv("ONCO_MAX_UPLOAD_BITES", "1")
    with pytest.raises(ValueError, match=r"ONCO_MAX_UPLOAD_BITES; known are .*ONCO_MAX_UPLOAD_BYTES"):
        Settings.from_environment()


def test_the_launchers_names_are_its_own(monkeypatch):
    monkeypatch.setenv("ONCO_TRITON_GRPC_PORT", "9001")
    assert Settings.from_environment().port == 5000


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "70000"), ("max_upload_bytes", "1"), ("infer_timeout_s", "0"), ("workers", "0"), ("log_level", "loud"),
     ("inference_url", "http://triton:8001/"), ("cpu_threads", "many")],
)  # fmt: skip
def test_out_of_bounds(monkeypatch, name, value):
    monkeypatch.setenv(f"ONCO_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings.from_environment()


def test_settings_cannot_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1
