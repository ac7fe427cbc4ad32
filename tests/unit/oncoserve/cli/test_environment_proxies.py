"""The client where the environment names a proxy."""

import pytest
from starlette.responses import Response

from testbed.servers import free_port
from tests.unit.oncoserve.cli.stub import Stub, answer


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "no address"])
def test_a_proxy_of_the_environment_is_not_asked_for_what_is_near(run, folder, monkeypatch, proxy):
    (folder / "large.png").write_bytes(b"x" * 4_000_001)  # goes to the store, whose address is near too
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setenv("no_proxy", "")
    with Stub(uploads=True) as storing:
        assert run(storing)[0] == 0


def test_the_variable_of_a_proxy_that_does_not_answer_is_named(run, monkeypatch):
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", f"http://user:secret@127.0.0.1:{free_port()}")
    code, text = run("http://oncoserve.example", "--patience-s", "1")
    assert (code, "by way of the proxy in http_proxy (no_proxy=oncoserve.example asks directly)" in text) == (3, True)
    assert "secret" not in text


def test_the_variable_of_a_proxy_that_cannot_be_used_is_named(run, monkeypatch):
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    code, text = run("http://oncoserve.example")
    assert (code, "The proxy in all_proxy cannot be used: " in text) == (2, True)


def test_a_proxy_that_refuses_is_told_from_the_service(run, stub, monkeypatch):
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", stub.url)
    stub.faults["GET", "/v1/models/tiny"].append(answer(Response("Access denied", 403)))
    code, text = run("http://oncoserve.example")
    assert (code, "403 http_403): Access denied, by way of the proxy in http_proxy" in text) == (2, True)
