"""Signed addresses of CloudFront, by which it lets callers read a result for a while.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-signed-urls.html
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from urllib.parse import quote

from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from oncoserve.errors import JobsUnavailable, UploadNotFound

KEY_OBJECT: Final = "config/cdn_key.pem"
"""Where the private key lies in the bucket, as the API keys do."""


class CdnAddresses:
    """Signs addresses with the private key whose public half CloudFront has.

    Args:
        host: CloudFront's.
        key_id: That CloudFront gave to the public key.
        fetch: Reads the private key (PEM), once.
    """

    def __init__(self, host: str, key_id: str, fetch: Callable[[], Awaitable[bytes]]) -> None:
        self._host = host
        self._key_id = key_id
        self._fetch = fetch
        self._signer: CloudFrontSigner | None = None

    async def sign(self, key: str, expires_s: int) -> str:
        """The address of an object, good for so long.

        Args:
            key: Of the object in the bucket.
            expires_s: Seconds.

        Raises:
            JobsUnavailable: The private key is not there, or is none.
        """
        if self._signer is None:
            self._signer = CloudFrontSigner(self._key_id, partial(_sign, await self._private_key()))
        until = datetime.now(UTC) + timedelta(seconds=expires_s)
        return str(self._signer.generate_presigned_url(f"https://{self._host}/{quote(key)}", date_less_than=until))

    async def _private_key(self) -> RSAPrivateKey:
        try:
            found = load_pem_private_key(await self._fetch(), password=None)
        except UploadNotFound as error:
            raise JobsUnavailable(
                f"the bucket has no {KEY_OBJECT}, with which addresses of results are signed"
            ) from error
        except (ValueError, TypeError) as error:  # a password is asked for by a TypeError
            raise JobsUnavailable(f"{KEY_OBJECT} in the bucket is no private key without a password") from error
        if not isinstance(found, RSAPrivateKey):
            raise JobsUnavailable(f"{KEY_OBJECT} in the bucket is no RSA key, which CloudFront asks for here")
        return found


def _sign(key: RSAPrivateKey, policy: bytes) -> bytes:
    """As CloudFront checks it: RSA with SHA-1, the one that its canned policies are documented with."""
    return key.sign(policy, PKCS1v15(), SHA1())  # noqa: S303 - CloudFront's choice
