"""What is asked directly, and which variable names the proxy of the rest."""

import os

import pytest

from oncoserve.runtime.nearby import by_way_of, is_near, proxy_variable

NEAR = [
    "http://localhost:5000", "http://LOCALHOST.", "http://127.0.0.1:5000", "http://127.8.9.1", "http://[::1]:5000",
    "http://0.0.0.0:5000", "http://10.1.2.3", "http://172.16.0.1:4318", "http://192.168.1.1", "http://169.254.169.254",
    "http://[fe80::1%25eth0]", "http://[fd00::1]", "http://triton:8001", "http://otel-collector:4318/v1/traces",
    "http://host.docker.internal:4318", "http://queue.jobs.svc.cluster.local", "https://pc.local", "http://a.localhost",
]  # fmt: skip
FAR = ["https://sqs.eu-central-1.amazonaws.com", "http://oncoserve.hospital.example", "https://8.8.8.8",
       "http://172.15.0.1", "https://local.example", "http://[2001:4860::1]", "http://10.example.org"]  # fmt: skip


@pytest.fixture
def environment(monkeypatch):
    """Sets the variables given; there is no other of that kind."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    return lambda **given: [monkeypatch.setenv(name, value) for name, value in given.items()]


@pytest.mark.parametrize("url", NEAR)
def test_what_is_near_has_no_proxy(environment, url):
    environment(http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9", all_proxy="socks5://127.0.0.1:9")
    assert is_near(url)
    assert proxy_variable(url) == ""
    assert by_way_of(url) == ""


@pytest.mark.parametrize("url", FAR)
def test_the_rest_has_the_proxy_of_its_scheme(environment, url):
    assert not is_near(url)
    environment(http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9")
    assert proxy_variable(url) == f"{url.partition(':')[0]}_proxy"


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_the_variable_is_named_as_it_is_written_and_never_its_value(environment, name):
    environment(**{name: "http://user:secret@proxy.example:3128"})
    words = by_way_of(FAR[0])
    assert f"in {name} " in words
    assert "no_proxy=sqs.eu-central-1.amazonaws.com" in words
    assert "secret" not in words


def test_no_proxy_is_followed(environment):
    environment(https_proxy="http://127.0.0.1:9", no_proxy="amazonaws.com,other.example")
    assert proxy_variable(FAR[0]) == ""
    environment(no_proxy="other.example")
    assert proxy_variable(FAR[0]) == "https_proxy"


def test_without_variables_there_are_no_words(environment):
    environment()
    assert by_way_of(FAR[0]) == ""
