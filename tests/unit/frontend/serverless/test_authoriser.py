import pytest
from botocore.exceptions import ConnectTimeoutError

from frontend.serverless.authoriser import AGAIN_S, RENEW_S, Authoriser
from oncoserve.keys import new_key

CIDRS = ["192.0.2.0/24", " 2001:db8::/32"]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Bucket:
    """Gives the key file, or fails."""

    def __init__(self, *keys):
        self.keys, self.error, self.reads = keys, None, 0

    def __call__(self):
        self.reads += 1
        if self.error is not None:
            raise self.error
        return "\n".join(map(str, self.keys)).encode()


@pytest.fixture
def ward():
    return new_key("ward")


def event(secret, address="192.0.2.7", header="x-api-key"):
    headers = {} if secret is None else {header: secret}
    return {"headers": headers, "requestContext": {"http": {"sourceIp": address}}}


@pytest.mark.parametrize("header", ["x-api-key", "X-API-Key"])
@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_a_known_key_from_an_allowed_address(ward, tmp_path, address, header):
    decide = Authoriser(Bucket(ward[1]), CIDRS, tmp_path / "keys").decide
    assert decide(event(ward[0], address, header)) == {"isAuthorized": True, "context": {"owner": "ward"}}


@pytest.mark.parametrize("address", ["192.0.3.1", "2001:db9::1", "::ffff:192.0.2.7"])
def test_another_address_is_refused_before_any_key_is_read(ward, tmp_path, address):
    bucket = Bucket(ward[1])
    assert Authoriser(bucket, CIDRS, tmp_path / "keys").decide(event(ward[0], address)) == {"isAuthorized": False}
    assert bucket.reads == 0


@pytest.mark.parametrize("secret", [None, "", "false", "ü", "\udcff"])
def test_without_a_key_that_is_known(ward, tmp_path, secret):
    decide = Authoriser(Bucket(ward[1]), CIDRS, tmp_path / "keys").decide
    assert decide(event(secret)) == {"isAuthorized": False}


def test_keys_are_read_again_after_a_while_and_the_old_ones_stay_when_that_fails(ward, tmp_path, caplog):
    clock, bucket = Clock(), Bucket(ward[1])
    decide = Authoriser(bucket, CIDRS, tmp_path / "keys", clock).decide
    for clock.now in (0, RENEW_S / 2):
        assert decide(event(ward[0]))["isAuthorized"]
    assert bucket.reads == 1
    bucket.error = ConnectTimeoutError(endpoint_url="https://s3")
    clock.now = 2 * RENEW_S
    assert decide(event(ward[0]))["isAuthorized"]
    assert "the earlier ones stay" in caplog.text
    bucket.error, bucket.keys = None, ["not a key file"]
    clock.now = 4 * RENEW_S
    assert decide(event(ward[0]))["isAuthorized"]
    bucket.keys = []
    clock.now = 6 * RENEW_S
    assert decide(event(ward[0])) == {"isAuthorized": False}


def test_without_any_key_file_nobody_comes_in_and_the_log_says_what_to_do(ward, tmp_path, caplog):
    """An error would be a 500 of API Gateway to everybody. Soon it is looked for again, but not by each request."""
    bucket, clock = Bucket(), Clock()
    bucket.error = ConnectTimeoutError(endpoint_url="https://s3")
    decide = Authoriser(bucket, CIDRS, tmp_path / "keys", clock, place="s3://b/config/api_keys").decide
    for clock.now in (0, AGAIN_S / 2):
        assert decide(event(ward[0])) == {"isAuthorized": False}
    assert bucket.reads == 1
    assert "not read from s3://b/config/api_keys, so nobody is let in. `oncoserve keys new NAME" in caplog.text
    bucket.error, bucket.keys = None, [ward[1]]
    clock.now = AGAIN_S
    assert decide(event(ward[0]))["isAuthorized"]


@pytest.mark.parametrize("content", [b"not a key file", b"\xff\xfe"])
def test_a_key_file_that_is_none_lets_nobody_in(ward, tmp_path, content, caplog):
    decide = Authoriser(lambda: content, CIDRS, tmp_path / "keys").decide
    assert decide(event(ward[0])) == {"isAuthorized": False}
    assert "nobody is let in" in caplog.text


def test_a_machine_without_room_for_the_key_file_lets_nobody_in(ward, tmp_path, caplog):
    decide = Authoriser(Bucket(ward[1]), CIDRS, tmp_path / "no such folder" / "keys").decide
    assert decide(event(ward[0])) == {"isAuthorized": False}
    assert "nobody is let in" in caplog.text


def test_a_network_that_cannot_be_read_lets_nobody_in_and_the_others_stay(ward, tmp_path, caplog):
    cidrs = ["192.0.2.0/33", "", "all", "192.0.2.9/24"]
    decide = Authoriser(Bucket(ward[1]), cidrs, tmp_path / "keys").decide
    assert decide(event(ward[0]))["isAuthorized"]
    assert decide(event(ward[0], "198.51.100.1")) == {"isAuthorized": False}
    for each in ("'192.0.2.0/33'", "'all'"):
        assert f"AllowedCidrs: {each} is no network" in caplog.text


@pytest.mark.parametrize("address", [None, "", "test-invoke-source-ip"])  # the last is what API Gateway's console sends
def test_a_caller_without_an_address_is_not_let_in(ward, tmp_path, address):
    decide = Authoriser(Bucket(ward[1]), CIDRS, tmp_path / "keys").decide
    assert decide(event(ward[0], address)) == {"isAuthorized": False}


METHOD = "arn:aws:execute-api:eu-central-1:123456789012:abc/v1/GET/jobs/1"


@pytest.mark.parametrize(("secret", "effect"), [(True, "Allow"), (False, "Deny"), (None, "Deny")])
def test_a_rest_api_is_answered_with_a_policy_for_all_of_its_stage(ward, tmp_path, secret, effect):
    """API Gateway keeps it for the next request, which may be for something else."""
    headers = {True: {"X-API-Key": ward[0]}, False: {"X-API-Key": "false"}, None: None}[secret]
    asked = {"methodArn": METHOD, "headers": headers, "requestContext": {"identity": {"sourceIp": "192.0.2.7"}}}
    answer = Authoriser(Bucket(ward[1]), CIDRS, tmp_path / "keys").decide(asked)
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement == {
        "Effect": effect,
        "Action": "execute-api:Invoke",
        "Resource": "arn:aws:execute-api:eu-central-1:123456789012:abc/v1/*",
    }
    assert (answer["principalId"], answer["context"]) == (("ward", {"owner": "ward"}) if secret else ("nobody", {}))
