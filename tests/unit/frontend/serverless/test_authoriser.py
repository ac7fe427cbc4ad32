import pytest
from botocore.exceptions import ConnectTimeoutError

from frontend.serverless.authoriser import RENEW_S, Authoriser
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


@pytest.mark.parametrize("secret", [None, "", "false", "ü"])
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
    """An error would be a 500 of API Gateway to everybody; and it is looked for again after a minute."""
    bucket, clock = Bucket(), Clock()
    bucket.error = ConnectTimeoutError(endpoint_url="https://s3")
    authoriser = Authoriser(bucket, CIDRS, tmp_path / "keys", clock)
    assert authoriser.decide(event(ward[0])) == {"isAuthorized": False}
    assert "is there a valid key file in the bucket?" in caplog.text
    bucket.error, bucket.keys = None, [ward[1]]
    clock.now = RENEW_S
    assert authoriser.decide(event(ward[0]))["isAuthorized"]
