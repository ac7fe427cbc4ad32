from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from oncoserve.runtime.addresses import networks
from oncoserve.settings import Settings


def test_defaults_and_environment(monkeypatch):
    monkeypatch.setenv("ONCO_PORT", "5999")
    settings = Settings.from_environment()
    assert (settings.host, settings.port) == ("127.0.0.1", 5999)


def test_unknown_names_abort(monkeypatch):
    monkeypatch.setenv("ONCO_MAX_UPLOAD_BITES", "1")
    with pytest.raises(ValueError, match=r"ONCO_MAX_UPLOAD_BITES; known are .*ONCO_MAX_UPLOAD_BYTES"):
        Settings.from_environment()


def test_the_launchers_and_the_clients_names_are_their_own(monkeypatch):
    monkeypatch.setenv("ONCO_TRITON_GRPC_PORT", "9001")
    monkeypatch.setenv("ONCO_API_KEY", "of the command-line client")
    assert Settings.from_environment().port == 5000


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "70000"), ("max_upload_bytes", "1"), ("infer_timeout_s", "0"), ("workers", "0"), ("log_level", "loud"),
     ("inference_url", "http://triton:8001/"), ("cpu_threads", "many"), ("root_path", "/oncology/"),
     ("root_path", "oncology"), ("root_path", "/"), ("root_path", "/jobs"), ("root_path", "//x"),
     ("trusted_proxies", "*"), ("trusted_proxies", "proxy.example"), ("trusted_proxies", "10.0.0.1/8")],
)  # fmt: skip
def test_out_of_bounds(monkeypatch, name, value):
    monkeypatch.setenv(f"ONCO_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings.from_environment()


def test_a_path_and_proxies():
    proxies = "127.0.0.1, 10.0.0.0/8,::1"
    settings = Settings(root_path="/imaging/oncology-2", trusted_proxies=proxies)
    assert (settings.root_path, settings.trusted_proxies) == ("/imaging/oncology-2", proxies)
    assert networks(settings.trusted_proxies) == (
        ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"), ip_network("::1/128"),
    )  # fmt: skip


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", ""])  # noqa: S104 - refused
def test_other_machines_are_let_in_only_with_keys_or_on_purpose(host):
    with pytest.raises(ValidationError, match="without an API key; set ONCO_API_KEYS_FILE, or ONCO_ALLOW_ANONYMOUS"):
        Settings(host=host)
    assert Settings(host=host, api_keys_file="keys").host == host
    assert Settings(host=host, allow_anonymous=True).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_keys(host):
    assert Settings(host=host).api_keys_file is None


def test_a_container_counts_as_where_it_is_published():
    assert Settings(host="0.0.0.0", published_host="127.0.0.1").host == "0.0.0.0"  # noqa: S104 - compared, not bound
    assert Settings(host="0.0.0.0", published_host="[::1]").host == "0.0.0.0"  # noqa: S104 - the same
    with pytest.raises(ValidationError, match=r"on 0\.0\.0\.0 without an API key"):
        Settings(host="127.0.0.1", published_host="0.0.0.0")  # noqa: S104 - refused


def test_an_empty_name_of_a_key_file_is_none(monkeypatch):
    monkeypatch.setenv("ONCO_API_KEYS_FILE", "")
    assert Settings.from_environment().api_keys_file is None


@pytest.mark.parametrize("origins", ["*", "https://*", "a.example", "https://a/", "https://a,", "https://a, https://b"])
def test_origins_are_a_plain_list_without_a_wildcard(origins):
    with pytest.raises(ValidationError, match="cors_origins"):
        Settings(cors_origins=origins)
    assert Settings(cors_origins="https://a.example,http://b.example:8080").cors_origins


def test_settings_cannot_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


def test_jobs_on_aws_need_to_be_told_where():
    with pytest.raises(ValidationError, match="ONCO_JOBS=aws needs ONCO_AWS_TABLE, ONCO_AWS_QUEUE_PREFIX too"):
        Settings(jobs="aws", aws_bucket="b", aws_topic="arn:aws:sns:eu-central-1:000000000000:t")
    assert Settings(job_models="brain_mri,he_tissue").only_models == {"brain_mri", "he_tissue"}
    assert Settings().only_models == frozenset()
