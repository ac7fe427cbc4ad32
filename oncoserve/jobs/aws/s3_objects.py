"""Pictures, uploads and results in S3."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from botocore.exceptions import ClientError

from oncoserve.errors import UploadNotFound
from oncoserve.jobs.aws.cdn_addresses import KEY_OBJECT, CdnAddresses
from oncoserve.jobs.aws.clients import Connection, asking, code_of
from oncoserve.jobs.ports import PresignedUpload

ABSENT = frozenset({"NoSuchKey", "404"})
CONTENT_TYPE = "application/octet-stream"  # the kind of an upload is read from its content


class S3Objects:
    """`ObjectStore` in a bucket. The bucket encrypts, and its lifecycle removes what has expired.

    Args:
        connection: to AWS.
        bucket: its name.
        results_host: the CDN's host before the bucket, for addresses that are read; empty without one.
        cdn_key_id: of the key that the CDN checks signatures with.
    """

    def __init__(self, connection: Connection, bucket: str, results_host: str = "", cdn_key_id: str = "") -> None:
        self._connection = connection
        self._bucket = bucket
        fetch = partial(self.get, KEY_OBJECT)
        self._cdn = CdnAddresses(results_host, cdn_key_id, fetch) if results_host else None

    async def put(self, key: str, data: bytes) -> None:
        """See the port."""
        await self.put_as(key, data, CONTENT_TYPE)

    async def put_as(self, key: str, data: bytes, content_type: str) -> None:
        """Keep bytes that a browser will show.

        Raises:
            JobsUnavailable
        """
        with asking("S3"):
            s3 = await self._connection.s3()
            await s3.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType=content_type)

    async def get(self, key: str, first_bytes: int | None = None) -> bytes:
        """See the port."""
        with asking("S3"):
            s3 = await self._connection.s3()
            try:
                if first_bytes is None:
                    answer = await s3.get_object(Bucket=self._bucket, Key=key)
                else:
                    answer = await s3.get_object(Bucket=self._bucket, Key=key, Range=f"bytes=0-{first_bytes - 1}")
                async with answer["Body"] as body:
                    return await body.read()
            except ClientError as error:
                if code_of(error) in ABSENT:
                    raise UploadNotFound from error
                if code_of(error) == "InvalidRange":  # the object is empty
                    return b""
                raise

    async def delete(self, key: str) -> None:
        """See the port."""
        with asking("S3"):
            s3 = await self._connection.s3()
            await s3.delete_object(Bucket=self._bucket, Key=key)

    async def exists(self, key: str) -> bool:
        """Whether there is such an object.

        Raises:
            JobsUnavailable
        """
        with asking("S3"):
            s3 = await self._connection.s3()
            try:
                await s3.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if code_of(error) in ABSENT:
                    return False
                raise
            return True

    async def delete_folder(self, prefix: str) -> bool:
        """Remove all objects whose keys begin so, up to a thousand; whether there were any.

        Raises:
            JobsUnavailable
        """
        with asking("S3"):
            s3 = await self._connection.s3()
            found = (await s3.list_objects_v2(Bucket=self._bucket, Prefix=prefix)).get("Contents", [])
            for each in found:
                await s3.delete_object(Bucket=self._bucket, Key=each["Key"])
            return bool(found)

    async def presign_put(
        self, key: str, size_bytes: int, expires_s: int, sha256: str | None = None
    ) -> PresignedUpload:
        """See the port; size, type and checksum are signed, so that S3 refuses any other upload."""
        headers = {"Content-Length": str(size_bytes), "Content-Type": CONTENT_TYPE}
        asked = {"Bucket": self._bucket, "Key": key, "ContentLength": size_bytes, "ContentType": CONTENT_TYPE}
        if sha256 is not None:
            checksum = base64.b64encode(binascii.unhexlify(sha256)).decode()
            headers["x-amz-checksum-sha256"] = asked["ChecksumSHA256"] = checksum
        expires = datetime.now(UTC) + timedelta(seconds=expires_s)
        with asking("S3"):
            s3 = await self._connection.s3()
            url = await s3.generate_presigned_url("put_object", Params=asked, ExpiresIn=expires_s)
        return PresignedUpload(url, headers, expires)

    async def presign_get(self, key: str, expires_s: int) -> str:
        """See the port."""
        if self._cdn is not None:
            return await self._cdn.sign(key, expires_s)
        asked = {"Bucket": self._bucket, "Key": key}
        with asking("S3"):
            s3 = await self._connection.s3()
            return str(await s3.generate_presigned_url("get_object", Params=asked, ExpiresIn=expires_s))

    async def sweep(self, known: Callable[[Sequence[str]], Awaitable[Collection[str]]]) -> int:  # noqa: ARG002 - the bucket's lifecycle does it
        """See the port."""
        return 0
