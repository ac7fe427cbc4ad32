"""The bucket of the functions' packages, which the deployment makes for itself, and what is put into it."""

import contextlib
import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deploy.aws import package
from deploy.aws.commands.account import Account, code_and_text
from deploy.aws.lambda_runtime import UnfitPackage
from oncoserve.cli.client.client_errors import UsageError

LONGEST_NAME = 63  # of a bucket: S3's own rule
TAG = "oncoserve"
DELETED_AT_ONCE = 1000  # objects of one DeleteObjects


@dataclass(frozen=True)
class Code:
    """A package that functions can be made of.

    Attributes:
        data: the zip file.
    """

    data: bytes

    @property
    def key(self) -> str:
        """Where it lies in the bucket: other bytes have another key, which is how CloudFormation sees a new version."""
        return f"lambda/{hashlib.sha256(self.data).hexdigest()}.zip"


def bucket_name(account: Account, name: str) -> str:
    """The bucket of a pipeline's packages: one a region, since Lambda reads from its own alone.

    Raises:
        UsageError: the name is too long.
    """
    bucket = f"{name}-code-{account.id}-{account.region}"
    if len(bucket) > LONGEST_NAME:
        met = f"{bucket} has {len(bucket)} characters, a bucket's name {LONGEST_NAME} at most"
        raise UsageError(f"{met}: shorten --name.")
    return bucket


def is_there(account: Account, bucket: str) -> bool:
    """Whether the bucket is there and this account's.

    Raises:
        UsageError: it is somebody else's.
    """
    try:
        account.client("s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=account.id)
    except ClientError as error:
        code, _ = code_and_text(error)
        if code in {"404", "NoSuchBucket"}:
            return False
        if code in {"403", "AccessDenied", "301"}:
            raise UsageError(f"Bucket {bucket} is another account's, or these credentials may not use it.") from error
        raise
    return True


def make(account: Account, bucket: str) -> None:
    """Make the bucket, or put its settings right: private, encrypted, read by TLS alone, nothing half sent kept."""
    s3 = account.client("s3")
    if not is_there(account, bucket):
        place = {} if account.region == "us-east-1" else {"LocationConstraint": account.region}
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):  # another deployment was quicker
            s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
    closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}  # our own code, of no patient
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    # Packages stay: CloudFormation needs the one before to take back an update that failed.
    unfinished: dict[str, Any] = {"ID": "unfinished", "Status": "Enabled", "Filter": {"Prefix": ""}}
    unfinished["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": 1}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [unfinished]})
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": TAG, "Value": "code"}]})
    if not account.endpoint.startswith("http:"):  # an emulator without TLS would be locked out
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_tls_only(account, bucket)))


def upload(account: Account, bucket: str, code: Code) -> bool:
    """Put a package there; False if it was there already."""
    s3 = account.client("s3")
    try:
        s3.head_object(Bucket=bucket, Key=code.key)
    except ClientError as error:
        if code_and_text(error)[0] not in {"404", "NoSuchKey"}:
            raise
        s3.put_object(Bucket=bucket, Key=code.key, Body=code.data, ExpectedBucketOwner=account.id)
        return True
    return False


def remove_bucket(account: Account, bucket: str) -> None:
    """Delete the bucket with all that is in it.

    Raises:
        UsageError: it is not one that a deployment has made.
    """
    s3 = account.client("s3")
    if not _is_ours(s3, bucket):
        raise UsageError(f"Bucket {bucket} has no tag {TAG}=code: no deployment has made it, and it is left alone.")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        keys = [{"Key": each["Key"]} for each in page.get("Contents", [])]
        for start in range(0, len(keys), DELETED_AT_ONCE):
            s3.delete_objects(Bucket=bucket, Delete={"Objects": keys[start : start + DELETED_AT_ONCE], "Quiet": True})
    s3.delete_bucket(Bucket=bucket)


def built(version: str, architecture: str) -> Code:
    """The package, built here for the functions' Python and processor.

    Args:
        version: such as "3.13".
        architecture: such as "x86_64".

    Raises:
        UsageError: Lambda could not run it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "package.zip"
        try:
            package.build(path, tuple(map(int, version.split("."))), architecture)
        except UnfitPackage as error:
            raise UsageError(f"{error}. No package was made.") from error
        return Code(path.read_bytes())


def read(path: Path) -> Code:
    """A package that was built before.

    Raises:
        UsageError: the file cannot be read, or is none.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The package {path} cannot be read: {error.strerror}.") from error
    if not data.startswith(b"PK"):
        raise UsageError(f"{path} is no zip file.")
    return Code(data)


def _is_ours(s3: Any, bucket: str) -> bool:  # noqa: ANN401 - see Account.client
    try:
        tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    except ClientError as error:
        if code_and_text(error)[0] == "NoSuchTagSet":
            return False
        raise
    return {"Key": TAG, "Value": "code"} in [{"Key": each["Key"], "Value": each["Value"]} for each in tags]


def _tls_only(account: Account, bucket: str) -> dict[str, Any]:
    arn = f"arn:{account.partition}:s3:::{bucket}"
    statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
