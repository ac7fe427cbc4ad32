"""What an object store's refusal means, in words for whoever set the service up."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CODE = re.compile(r"<Code>(\w{1,64})</Code>")
STATUS = re.compile(r"non-2xx status code: (\d{3})")
# S3's own names of its errors.
BY_CODE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "NoSuchBucket": "the bucket {bucket!r} does not exist",
        "InvalidBucketName": "{bucket!r} is no name of a bucket",
        "InvalidAccessKeyId": "it does not know the access key",
        "SignatureDoesNotMatch": "the secret key is not that of the access key",
        "AccessDenied": "the access key may not do this in the bucket {bucket!r}",
        "RequestTimeTooSkewed": "the clocks of this machine and of the store differ by more than the store allows",
        "ExpiredToken": "the credentials have expired",
        "TokenRefreshRequired": "the credentials have expired",
        "InvalidToken": "the credentials are not valid",
        "AuthorizationHeaderMalformed": "the bucket {bucket!r} is in another region",
        "PermanentRedirect": "the bucket {bucket!r} is in another region",
        "IllegalLocationConstraintException": "the bucket {bucket!r} is in another region",
        "QuotaExceeded": "the store has no room left",
        "XMinioStorageFull": "the store has no room left",
        "SlowDown": "it asks for fewer requests",
    }
)
# Of the client's own report, the innermost causes first.
BY_WORDS: Final = (
    ("ConnectionRefused", "nothing listens at its address"),
    ("dns error", "its host name is not known"),
    ("InvalidContentType", "it does not speak TLS: its address begins with https:// and should with http://"),
    ("InvalidCertificate", "its certificate is not one that is trusted here"),
    ("UnknownIssuer", "its certificate is not one that is trusted here"),
    ("External AWS credential provider", "what requests are signed with cannot be read"),
    ("Unauthenticated", "there is nothing to sign requests with"),
    ("kind: Timeout", "it did not answer in time"),
    ("TimedOut", "it did not answer in time"),
    ("kind: Connect", "it cannot be reached"),
)


def code_in(report: str) -> str:
    """S3's own name of an error; empty where it did not answer with one."""
    found = CODE.search(report)
    return found[1] if found else ""


def said_by(report: str, bucket: str) -> str:
    """A few words: no addresses, keys or requests, which the client's report has.

    Args:
        report: the client's.
        bucket: the name of what was asked.
    """
    code = code_in(report)
    if code:
        words = BY_CODE.get(code, "it answered {code}").format(bucket=bucket, code=code)
    elif (status := STATUS.search(report)) is not None:
        words = f"it answered with status {status[1]}"
    else:
        words = next((words for sign, words in BY_WORDS if sign in report), "it cannot be asked")
    return f"the object store: {words}"
