"""Jobs whose pictures were sent straight to a store that has addresses of its own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from oncoserve.errors import UploadTooLarge
from oncoserve.jobs.embedded.file_objects import FileObjectStore
from oncoserve.jobs.intake.submission import JobLimits, Submission
from oncoserve.jobs.job import State
from oncoserve.jobs.ports import PresignedUpload
from oncoserve.jobs.service import HEADER_BYTES, Jobs
from oncoserve.runtime.threads import CpuThreads
from oncoserve.settings import Settings
from oncoserve.wiring import open_adapters
from testbed.encoded_pictures import encoded, noise
from testbed.picture_files.raw_png import png_header


class AddressedStore(FileObjectStore):
    """Gives out its keys as addresses."""

    async def presign_put(self, key, size_bytes, expires_s, sha256=None):
        expires = datetime.now(UTC) + timedelta(seconds=expires_s)
        return PresignedUpload(key, {"Content-Length": str(size_bytes)}, expires)


@pytest.fixture
async def store(tmp_path):
    return AddressedStore(tmp_path / "elsewhere")


@pytest.fixture
async def jobs(tmp_path, store):
    threads = CpuThreads(1)
    adapters = replace(open_adapters(Settings(results_dir=tmp_path)), objects=store)
    made = Jobs(adapters, JobLimits(3600, 10, 10_000, 2**20), threads)
    yield made
    await made.close()
    await store.close()
    threads.close()


async def uploaded(jobs, store, data, owner="ward"):
    upload_id, address = await jobs.upload(owner, len(data))
    await store.put(address.url, data)
    return upload_id


async def outcome_of(jobs, upload_id, owner="ward"):
    job = await jobs.submit(owner, "tiny", {}, [Submission("a.png", upload=upload_id)])
    (image,) = (await jobs.get(owner, job.record.id)).images
    return image.state if image.outcome is None else image.outcome.fault.code


async def test_an_upload_is_named_by_its_id(jobs, store):
    assert await outcome_of(jobs, await uploaded(jobs, store, encoded(noise()))) is State.QUEUED


async def test_a_header_that_does_not_end_in_what_is_looked_at_is_left_to_the_worker(jobs, store):
    long = encoded(noise(), "JPEG")
    comment = b"".join(b"\xff\xfe\xff\xff" + bytes(65533) for _ in range(HEADER_BYTES // 65535 + 1))
    assert await outcome_of(jobs, await uploaded(jobs, store, long[:2] + comment + long[2:])) is State.QUEUED


@pytest.mark.parametrize(
    ("data", "code"), [(b"GIF89a", "unsupported_image"), (png_header(1000, 1000), "image_too_large")]
)
async def test_one_that_is_refused_fails_alone(jobs, store, data, code):
    assert await outcome_of(jobs, await uploaded(jobs, store, data)) == code


@pytest.mark.parametrize("thief", ["lab", None])
async def test_nobody_names_the_upload_of_another(jobs, store, thief):
    upload_id = await uploaded(jobs, store, encoded(noise()))
    assert await outcome_of(jobs, upload_id, thief) == "upload_not_found"
    assert await outcome_of(jobs, upload_id) is State.QUEUED


async def test_too_large_is_told_before_anything_is_sent(jobs):
    with pytest.raises(UploadTooLarge, match="has 1048577 bytes; the limit is 1048576"):
        await jobs.upload("ward", 2**20 + 1)
