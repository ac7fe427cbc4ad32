"""Where pictures are opened: small ones on the event loop, all others in a thread; and none waits there for a disk."""

import asyncio
import functools
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

from oncoserve.errors import StorageUnavailable
from oncoserve.pictures.decode import read_header
from oncoserve.prediction import predict as module
from oncoserve.prediction.question import Question
from oncoserve.prediction.work import QUICK_FILE_BYTES
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.runtime.threads import CpuThreads
from oncoserve.runtime.timings import Timings
from oncoserve.storage.disk import Disk
from oncoserve.tasks.parameters import PictureParameters
from testbed.encoded_pictures import encoded, noise
from tests.unit.oncoserve.prediction.test_predict import Asker
from tests.unit.oncoserve.tasks.test_classification import model

MODEL = model()
SMALL = encoded(noise((64, 48)), "JPEG")
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
NOT_QUICK = {
    "in several scans": encoded(noise((64, 48)), "JPEG", progressive=True),
    "colours to convert": encoded(noise((64, 48)), "JPEG", icc_profile=PROFILE),
    "four colours": encoded(noise((64, 48)).convert("CMYK"), "JPEG"),
    "many pixels": encoded(Image.new("RGB", (1024, 513)), "JPEG"),
    "PNG": encoded(noise((64, 48)), "PNG"),
}


class Answers:
    """Names the first class of whatever it is asked."""

    async def infer(self, name, version, inputs, outputs, timeout_s):
        return {"probabilities": np.array([[0.8, 0.1, 0.1]], np.float32)}


@pytest.fixture
def threads():
    pool = CpuThreads(1)
    yield pool
    pool.close()


@pytest.fixture
def opened_in(monkeypatch):
    """The names of the threads in which pictures were opened and finished."""
    names = []
    for step in ("_prepare", "_finish"):
        original = getattr(module.Predict, step)

        def noted(*args, original=original):
            names.append(threading.current_thread().name)
            return original(*args)

        monkeypatch.setattr(module.Predict, step, noted)
    return names


async def test_a_small_jpeg_for_a_classifier_needs_no_thread(tmp_path, threads, opened_in):
    timings = Timings()
    answer = await Asker(Answers(), tmp_path, threads).predict(MODEL, SMALL, PictureParameters(), timings)
    assert answer.entry.document["label"] == "class0"
    assert opened_in == [threading.main_thread().name] * 2
    assert timings.laps_ms.keys() == {
        "receive", "queue", "lookup", "decode", "preprocess", "infer", "postprocess", "store",
    }  # fmt: skip


@pytest.mark.parametrize("what", NOT_QUICK)
async def test_what_may_take_longer_is_opened_in_a_thread(tmp_path, threads, opened_in, what):
    data = NOT_QUICK[what]
    assert len(data) <= QUICK_FILE_BYTES
    assert not read_header(data, 10**9).quick
    await Asker(Answers(), tmp_path, threads).predict(MODEL, data, PictureParameters(), Timings())
    assert opened_in[0] == "cpu_0"


async def test_a_large_file_is_not_looked_into_on_the_event_loop(tmp_path, threads, opened_in):
    data = encoded(noise((256, 256)), "JPEG", quality=100)
    assert len(data) > QUICK_FILE_BYTES
    assert read_header(data, 10**9).quick
    await Asker(Answers(), tmp_path, threads).predict(MODEL, data, PictureParameters(), Timings())
    assert opened_in[0] == "cpu_0"


async def test_a_task_that_takes_longer_has_its_threads(tmp_path, threads, opened_in):
    class Slow(type(MODEL.task)):
        quick = False

    asked = replace(MODEL, task=Slow())
    await Asker(Answers(), tmp_path, threads).predict(asked, SMALL, PictureParameters(), Timings())
    assert opened_in == ["cpu_0"] * 2


@pytest.mark.parametrize("step", ["find", "save"])
async def test_a_disk_that_hangs_keeps_neither_the_event_loop_nor_a_thread(tmp_path, threads, monkeypatch, step):
    back = threading.Event()
    asker = Asker(Answers(), tmp_path, threads)
    asker.use_case._store = FileResults(tmp_path, disk=Disk(tmp_path, timeout_s=0.5))
    monkeypatch.setattr(FileResults, step, lambda *_: back.wait())
    asking = asyncio.create_task(asker.predict(MODEL, SMALL, PictureParameters(), Timings()))
    await asyncio.sleep(0.1)
    assert await threads.run(lambda: "free") == "free"
    assert not asking.done()
    with pytest.raises(StorageUnavailable):
        await asking
    back.set()
    async with asyncio.timeout(10):
        while asker.memory.used_bytes():  # what a thread has in its hands is counted until it lets go
            await asyncio.sleep(0.01)


async def test_a_large_file_is_hashed_in_a_thread_and_that_is_part_of_the_lookup(tmp_path, threads, monkeypatch):
    names = []

    def slow_id(question):
        names.append(threading.current_thread().name)
        time.sleep(0.2)
        return "ab" * 16

    monkeypatch.setattr(Question, "id", functools.cached_property(slow_id))
    Question.id.__set_name__(Question, "id")
    monkeypatch.setattr(module, "QUICK_TO_HASH_BYTES", len(SMALL) - 1)
    timings = Timings()
    await Asker(Answers(), tmp_path, threads).predict(MODEL, SMALL, PictureParameters(), timings)
    assert names == ["cpu_0"]
    assert timings.laps_ms["lookup"] >= 200 > timings.laps_ms["queue"]
