"""What becomes of files, archives and frames that a job is sent, on the real storage of one machine."""

import asyncio
import io

import numpy as np
import pydicom
import pytest

from oncoserve.errors import (
    JobTooLarge,
    NoRoom,
    RequestError,
    SeveralStudies,
    StorageFull,
    TooManyImages,
    UnusableArchive,
)
from oncoserve.jobs.intake.submission import JobLimits, Submission
from oncoserve.jobs.service import Jobs
from oncoserve.pictures.decode import read_header
from oncoserve.runtime.budget import Budget
from oncoserve.runtime.sharing import SharedCounts
from oncoserve.runtime.threads import CpuThreads
from oncoserve.settings import Settings
from oncoserve.storage.disk import Disk
from oncoserve.wiring import open_adapters
from testbed.encoded_pictures import encoded, noise, scan
from testbed.picture_files.dicom_files import PLANTED, enhanced_mr, mr_series, mr_slice
from testbed.picture_files.zip_files import zipped

PNG = encoded(noise())
SLICES = [np.asarray(scan((40, 32), seed)) for seed in range(5)]
LIMITS = JobLimits(3600, 20, 10**6, 2**20, 2**20)
STUDY = "1.2.3.4"


class Till:
    """A job service with the storage of this machine, and what is in it."""

    def __init__(self, folder, limits=LIMITS, **wired):
        self.folder = folder
        self.threads = CpuThreads(1)
        self.adapters = open_adapters(Settings(results_dir=folder))
        self.jobs = Jobs(self.adapters, limits, self.threads, **wired)

    async def send(self, *files, **parameters):
        """The images of a job of these files, given as bytes or as (name, bytes)."""
        pairs = [each if isinstance(each, tuple) else ("a", each) for each in files]

        def reading(data):
            async def read():
                return data

            return read

        job = await self.jobs.submit(
            None, "tiny", parameters, [Submission(name, reading(data)) for name, data in pairs]
        )
        return (await self.jobs.get(None, job.record.id)).images

    async def header(self, image):
        return read_header(await self.adapters.objects.get(image.object), 10**6)

    def objects(self):
        return [path for path in self.folder.rglob("objects/jobs/**/*") if path.is_file()]

    async def nothing_is_left(self):
        assert self.objects() == []
        assert (await self.jobs.page(None, None, 10)).jobs == []
        return True


@pytest.fixture
async def open_counter(tmp_path):
    opened = []

    def enter(limits=LIMITS, **wired):
        opened.append(Till(tmp_path, limits, **wired))
        return opened[-1]

    yield enter
    for each in opened:
        await each.jobs.close()
        each.threads.close()


@pytest.fixture
def counter(open_counter):
    return open_counter()


def faults(images):
    return [each.outcome.fault.code if each.outcome else None for each in images]


async def positions(counter, images):
    return [(await counter.header(each)).scan.position_mm for each in images]


async def test_a_zipped_series_becomes_images_in_the_order_in_which_they_lie(counter):
    series = mr_series(SLICES, StudyInstanceUID=STUDY)
    files = [(f"PATIENT/S1/IM{number:04}", series[place]) for number, place in enumerate([3, 0, 4, 1, 2])]
    images = await counter.send(("study.zip", zipped([("README.txt", b"hello there"), ("DICOMDIR", b"x"), *files])))
    assert [each.name for each in images] == ["IM0001", "IM0003", "IM0004", "IM0000", "IM0002"]
    assert await positions(counter, images) == [3, 8, 13, 18, 23]


async def test_pictures_and_series_in_one_job(counter):
    a, b = mr_series(SLICES[:2]), mr_series(SLICES[2:4])
    sent = [("b1", b[1]), ("p.png", PNG), ("a1", a[1]), ("q.zip", zipped([("q.png", PNG), ("b0", b[0])])), ("a0", a[0])]
    assert [each.name for each in await counter.send(*sent)] == ["b0", "b1", "p.png", "a0", "a1", "q.png"]


async def test_each_frame_becomes_an_image(counter):
    images = await counter.send(("x/IM1.dcm", enhanced_mr(SLICES)), ("p.png", PNG))
    assert [each.name for each in images] == [*(f"IM1.dcm, frame {number}" for number in range(1, 6)), "p.png"]
    assert await positions(counter, images[:5]) == [3, 8, 13, 18, 23]
    assert [(await counter.header(each)).scan.frame for each in images[:5]] == [1, 2, 3, 4, 5]
    assert {(await counter.header(each)).scan.frames for each in images[:5]} == {5}


async def test_frames_lie_in_order_whatever_their_numbers(counter):
    images = await counter.send(("a", enhanced_mr(SLICES, spacing_mm=-5.0)))
    assert [each.name for each in images] == [f"a, frame {number}" for number in (5, 4, 3, 2, 1)]


async def test_a_frame_that_was_named_is_the_only_one(counter):
    (image,) = await counter.send(("a.dcm", enhanced_mr(SLICES)), frame=3)
    assert (image.name, (await counter.header(image)).scan.frames) == ("a.dcm", 5)


async def test_a_long_name_has_room_for_the_frame(counter):
    images = await counter.send(("x" * 250, enhanced_mr(SLICES)))
    assert [len(each.name) for each in images] == [200] * 5
    assert images[4].name.endswith("x, frame 5")


async def test_a_file_that_is_refused_fails_alone(counter):
    series = mr_series(SLICES[:2])
    cut = mr_slice(SLICES[0])[:-900]
    report = mr_slice(SLICES[0], PixelData=None, Rows=None, Columns=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")
    files = [
        ("0", series[1]),
        ("scan.tif", b"II*\0" + bytes(99)),
        ("2", cut[:300]),
        ("report", report),
        ("4", series[0]),
    ]
    images = await counter.send(zipped(files))
    assert [each.name for each in images] == ["4", "0", "scan.tif", "2", "report"]
    assert faults(images) == [None, None, "unsupported_image", "corrupt_image", "unsupported_image"]
    assert len(counter.objects()) == 2


async def test_frames_that_cannot_be_decoded_fail_alone(counter):
    found = pydicom.dcmread(io.BytesIO(enhanced_mr(SLICES)))
    found.PixelData = found.PixelData[: 3 * SLICES[0].size]
    buffer = io.BytesIO()
    found.save_as(buffer)
    images = await counter.send(("a", buffer.getvalue()))
    assert [each.name for each in images] == [f"a, frame {number}" for number in range(1, 6)]
    assert faults(images)[3:] == ["corrupt_image"] * 2


async def test_an_archive_of_several_studies_is_refused(counter):
    files = [("0", mr_slice(SLICES[0])), ("1", PNG), ("2", mr_slice(SLICES[1]))]
    with pytest.raises(SeveralStudies, match="at least 2 studies; an archive may have 1"):
        await counter.send(zipped(files))
    assert await counter.nothing_is_left()
    assert len(await counter.send(*files)) == 3  # each by itself it was chosen by somebody


async def test_an_archive_without_pictures_is_refused(counter):
    with pytest.raises(UnusableArchive, match="has no pictures: 2 texts, programs and lists of files"):
        await counter.send(PNG, zipped([("a.txt", b"hello there"), ("b.exe", b"MZ")]))
    assert await counter.nothing_is_left()


SMALL = JobLimits(3600, 4, 10**6, 2**20, 20_000)
TINY = encoded(noise((8, 8)))
TOO_MUCH = {
    "files": ([zipped([(f"{each}.png", PNG) for each in range(5)])], TooManyImages, "at least 5 images; it may have 4"),
    "files in two archives": (
        [zipped([(f"{each}.png", TINY) for each in range(3)])] * 2, TooManyImages, "at least 6 images; it may have 4"
    ),
    "frames": ([enhanced_mr(SLICES)], TooManyImages, "at least 5 images; it may have 4"),
    "frames in an archive": (
        [zipped([("a.png", PNG), ("b", enhanced_mr(SLICES[:4]))])], TooManyImages, "at least 5 images; it may have 4"
    ),
    "bytes": ([PNG, PNG, PNG], JobTooLarge, f"at least {3 * len(PNG)} bytes; they may have 20000"),
    "bytes in an archive": (
        [zipped([("a.png", PNG), ("b.png", PNG + bytes(12_000))])], JobTooLarge,
        f"at least {2 * len(PNG) + 12_000} bytes; they may have 20000",
    ),
    "bytes of frames": (
        [enhanced_mr([np.zeros((100, 100), np.uint8)] * 3)], JobTooLarge, "at least 30000 bytes; they may have 20000"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_what_is_too_much_is_refused_with_what_was_met(open_counter, name):
    files, error, says = TOO_MUCH[name]
    counter = open_counter(SMALL)
    with pytest.raises(error) as refused:
        await counter.send(*files)
    assert says in refused.value.detail
    assert await counter.nothing_is_left()


async def test_what_is_unpacked_is_counted_in_the_memory(open_counter, tmp_path):
    memory = Budget("pictures", 8 * 2**20, SharedCounts(None, 2).of("memory/pictures"), 0.05)
    counter = open_counter(memory=memory)
    archive = zipped([("a.png", PNG + bytes(2**19))])
    with memory.share() as other:
        assert other.take(7 * 2**20)
        for data in (archive, enhanced_mr([np.zeros((1000, 200), np.uint8)] * 2)):
            with pytest.raises(NoRoom):
                await counter.send(data)
            assert await counter.nothing_is_left()
    assert memory.used_bytes() == 0
    assert len(await counter.send(archive)) == 1
    assert memory.used_bytes() == 0


class Slow:
    """An object store that lets somebody look while it keeps an object."""

    def __init__(self, objects, when, do):
        self._objects, self._when, self._do, self._kept = objects, when, do, 0

    def __getattr__(self, name):
        return getattr(self._objects, name)

    async def put(self, key, data):
        await self._objects.put(key, data)
        self._kept += 1
        if self._kept == self._when:
            await self._do()


async def test_a_caller_who_goes_while_an_archive_is_unpacked_leaves_nothing(counter):
    begun = asyncio.Event()

    async def wait_for_ever():
        begun.set()
        await asyncio.Event().wait()

    objects = Slow(counter.adapters.objects, 2, wait_for_ever)
    counter.jobs._to = counter.jobs._to.__class__(**{**vars(counter.jobs._to), "objects": objects})
    sending = asyncio.create_task(counter.send(zipped([(f"{each}.png", PNG) for each in range(4)])))
    await begun.wait()
    assert len(counter.objects()) == 2
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert len(counter.objects()) <= 1  # the one that was being kept, which the sweep takes
    assert (await counter.jobs.page(None, None, 10)).jobs == []


async def test_a_disk_that_fills_up_meanwhile_is_told_and_nothing_is_left(open_counter, tmp_path):
    disk = Disk(tmp_path)
    counter = open_counter(storage=disk)

    async def fill():
        disk._error = StorageFull("bytes", 1, 2)

    objects = Slow(counter.adapters.objects, 2, fill)
    counter.jobs._to = counter.jobs._to.__class__(**{**vars(counter.jobs._to), "objects": objects})
    with pytest.raises(StorageFull):
        await counter.send(zipped([(f"{each}.png", PNG) for each in range(4)]))
    assert await counter.nothing_is_left()


async def test_errors_name_nobody(open_counter):
    name = PLANTED["PatientName"]
    counter = open_counter(SMALL)
    for files in (
        [(f"{name}/1", mr_slice(SLICES[0])), (f"{name}/2", mr_slice(SLICES[1]))],
        [(f"{name}/{each}.png", PNG) for each in range(9)],
        [(f"../{name}.png", PNG)],
        [(f"{name}.png", PNG), (f"{name}.png", PNG)],
    ):
        with pytest.raises(RequestError) as refused:
            await counter.send((f"{name}.zip", zipped(files)))
        assert name not in refused.value.detail
        assert PLANTED["PatientID"] not in refused.value.detail
