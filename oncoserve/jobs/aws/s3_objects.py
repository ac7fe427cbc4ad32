"""Pictures, uploads and results in S3."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from oncoserve.jobs.aws.cdn_addresses import KEY_OBJECT, CdnAddresses
from oncoserve.jobs.aws.clients import Connection, asking
from oncoserve.jobs.job_bucket import JobBucket
from oncoserve.jobs.ports import PresignedUpload
from oncoserve.storage.disk import FileThreads

ANSWER_S = 120.0  # the largest upload has 256 MB
CALLS = 32  # at once; the pictures of a large job are looked at side by side
CONTENT_TYPE = "application/octet-stream"  # the kind of an upload is read from its content


class S3Objects:
    """`ObjectStore` in a bucket. The bucket encrypts, and its lifecycle removes what has expired.

    Args:
        connection: to AWS; what it has no need of, objects of any bucket, is asked through `Bucket` as elsewhere.
        bucket: its name.
        results_host: the CDN's host before the bucket, for addresses that are read; empty without one.
        cdn_key_id: of the key that the CDN checks signatures with.
    """

    def __init__(self, connection: Connection, bucket: str, results_host: str = "", cdn_key_id: str = "") -> None:
        self._connection = connection
        self._name = bucket
        self._bucket = JobBucket(connection.bucket(bucket, ANSWER_S), FileThreads(ANSWER_S, CALLS, "S3"))
        fetch = partial(self.get, KEY_OBJECT)
        self._cdn = CdnAddresses(results_host, cdn_key_id, fetch) if results_host else None

    async def put(self, key: str, data: bytes) -> None:
        """See the port."""
        await self._bucket.put(key, data, CONTENT_TYPE)

    async def put_as(self, key: str, data: bytes, content_type: str) -> None:
        """Keep bytes that a browser will show.

        Raises:
            JobsUnavailable
        """
        await self._bucket.put(key, data, content_type)

    async def get(self, key: str, first_bytes: int | None = None) -> bytes:
        """See the port."""
        return await self._bucket.get(key, first_bytes)

    async def delete(self, key: str) -> None:
        """See the port."""
        await self._bucket.delete(key)

    async def exists(self, key: str) -> bool:
        """Whether there is such an object.

        Raises:
            JobsUnavailable
        """
        return await self._bucket.exists(key)

    async def delete_folder(self, folder: str) -> bool:
        """Remove all objects whose keys begin with `folder/`; whether there were any.

        Raises:
            JobsUnavailable
        """
        found = await self._bucket.list(folder)
        for each in found:
            await self._bucket.delete(each.key)
        return bool(found)

    async def presign_put(
        self, key: str, size_bytes: int, expires_s: int, sha256: str | None = None
    ) -> PresignedUpload:
        """See the port; size, type and checksum are signed, so that S3 refuses any other upload."""
        headers = {"Content-Length": str(size_bytes), "Content-Type": CONTENT_TYPE}
        asked = {"Bucket": self._name, "Key": key, "ContentLength": size_bytes, "ContentType": CONTENT_TYPE}
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
        asked = {"Bucket": self._name, "Key": key}
        with asking("S3"):
            s3 = await self._connection.s3()
            return str(await s3.generate_presigned_url("get_object", Params=asked, ExpiresIn=expires_s))

    async def sweep(self, known: Callable[[Sequence[str]], Awaitable[Collection[str]]]) -> int:  # noqa: ARG002 - the bucket's lifecycle does it
        """See the port."""
        return 0

    async def close(self) -> None:
        """Wait for running work."""
        await self._bucket.close()
