"""CloudFront before the results. The emulator knows none: what it would check is checked here, as it documents it."""

import base64
import json
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from oncoserve.errors import JobsUnavailable
from oncoserve.jobs.aws.cdn_addresses import KEY_OBJECT
from oncoserve.jobs.aws.clients import Connection
from oncoserve.jobs.aws.s3_objects import S3Objects
from testbed.aws_emulator import REGION, ROOT
from testbed.aws_template import read_template

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RESOURCES = read_template("pipeline")["Resources"]


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def bucket(emulator):
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="behind", CreateBucketConfiguration={"LocationConstraint": REGION})
    yield s3
    for each in s3.list_objects_v2(Bucket="behind").get("Contents", []):
        s3.delete_object(Bucket="behind", Key=each["Key"])
    s3.delete_bucket(Bucket="behind")


@pytest.fixture
async def objects(emulator, monkeypatch):
    for name, value in ROOT.items():
        monkeypatch.setenv(name, value)
    connection = Connection(emulator.url)
    yield S3Objects(connection, "behind", "d1.cloudfront.net", "K2JCJMDEHXQW5F")
    await connection.close()


async def test_an_address_is_signed_for_one_object_and_five_minutes(bucket, objects):
    bucket.put_object(Bucket="behind", Key=KEY_OBJECT, Body=pem(KEY))
    address = await objects.presign_get("results/a b/result.json", 300)
    parts = urlsplit(address)
    given = {name: value for name, (value,) in parse_qs(parts.query).items()}
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "d1.cloudfront.net", "/results/a%20b/result.json")
    assert given.keys() == {"Expires", "Signature", "Key-Pair-Id"}
    assert given["Key-Pair-Id"] == "K2JCJMDEHXQW5F"
    assert 290 <= int(given["Expires"]) - time.time() <= 301

    def check(resource, until):
        condition = {"DateLessThan": {"AWS:EpochTime": until}}
        policy = json.dumps({"Statement": [{"Resource": resource, "Condition": condition}]}, separators=(",", ":"))
        signature = base64.b64decode(given["Signature"].translate(str.maketrans("-_~", "+=/")))
        KEY.public_key().verify(signature, policy.encode(), PKCS1v15(), SHA1())  # noqa: S303 - CloudFront's

    resource = address.partition("?")[0]
    check(resource, int(given["Expires"]))
    for other in ((resource, int(given["Expires"]) + 1), (f"{resource}x", int(given["Expires"]))):
        with pytest.raises(InvalidSignature):
            check(*other)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "has no config/cdn_key.pem"),
        (b"", "no private key"),
        (b"-----BEGIN PUBLIC KEY-----", "no private key"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "no RSA key"),
    ],
)
async def test_without_a_key_the_reason_is_told(bucket, objects, content, words):
    if content is not None:
        bucket.put_object(Bucket="behind", Key=KEY_OBJECT, Body=content)
    with pytest.raises(JobsUnavailable) as told:
        await objects.presign_get("results/a/result.json", 300)
    assert words in str(told.value.args)


async def test_without_a_cdn_addresses_are_of_the_bucket_s_own_host(monkeypatch):
    for name, value in ROOT.items():
        monkeypatch.setenv(name, value)
    connection = Connection()
    plain = await S3Objects(connection, "bucket").presign_get("results/a b", 60)
    await connection.close()
    assert plain.startswith(f"https://bucket.s3.{REGION}.amazonaws.com/results/a%20b?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
    assert "X-Amz-SignedHeaders=host&" in plain


def test_cloudfront_alone_reads_and_lets_in_who_has_a_signed_address():
    config = RESOURCES["Distribution"]["Properties"]["DistributionConfig"]
    (origin,) = config["Origins"]
    assert origin["OriginAccessControlId"] == {"Fn::GetAtt": ["OriginAccess", "Id"]}
    control = RESOURCES["OriginAccess"]["Properties"]["OriginAccessControlConfig"]
    assert (control["SigningBehavior"], control["SigningProtocol"]) == ("always", "sigv4")
    assert config["DefaultCacheBehavior"]["TrustedKeyGroups"] == [{"Ref": "CdnKeys"}]
    assert "OriginRequestPolicyId" not in config["DefaultCacheBehavior"]  # the caller's host would spoil the signature
    statements = RESOURCES["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    (allowed,) = [each["Fn::If"][1] for each in statements if "Fn::If" in each]
    assert (allowed["Action"], allowed["Resource"]) == ("s3:GetObject", {"Fn::Sub": "${Bucket.Arn}/results/*"})
    assert re.search(r"distribution/\$\{Distribution\}", str(allowed["Condition"]))
    rule = read_template("pipeline")["Rules"]["CdnNeedsKey"]
    assert "CdnPublicKey" in str(rule["Assertions"])
