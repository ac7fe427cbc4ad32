"""Pictures of several tiles on their way through the use case."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from oncoserve.errors import DeadlineExceeded, ModelNotReady, TooBusy
from oncoserve.prediction.admission import FIELDS, Admission
from oncoserve.prediction.caller import Caller
from oncoserve.prediction.predict import Limits, Predict
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.runtime.budget import Budget
from oncoserve.runtime.metrics import Metrics
from oncoserve.runtime.sharing import SharedCounts
from oncoserve.runtime.threads import CpuThreads
from oncoserve.runtime.timings import Timings
from oncoserve.tasks.segmentation import SegmentationParameters
from testbed.encoded_pictures import encoded
from testbed.models.tissue_maps import ANSWER
from tests.unit.oncoserve.tasks.test_segmentation import model, stained

IN_FLIGHT = 3
ONE = model(max_batch_size=1)  # admits one picture at a time


class Tiles:
    """Answers every tile with epithelium, after a moment, and counts."""

    def __init__(self, fail_at=None):
        self.asked = self.now = self.most = self.cancelled = 0
        self.fail_at = fail_at

    async def infer(self, name, version, inputs, outputs, timeout_s):
        self.asked += 1
        number = self.asked
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.2 / number)  # the later ones answer first
            if number == self.fail_at:
                raise DeadlineExceeded(name, timeout_s)
            if self.fail_at:
                await asyncio.sleep(5)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.now -= 1
        levels = np.array([0, 250, 0], np.uint8).reshape(1, 3, 1, 1)
        return {"probabilities": np.broadcast_to(levels, (1, *ANSWER.dims)).copy()}


@pytest.fixture
def threads():
    pool = CpuThreads(2)
    yield pool
    pool.close()


async def nobody(model):
    """No version takes a model's place."""
    del model


class Asker:
    """The use case on a backend, asked about one upload."""

    def __init__(self, backend, folder, threads, at_once=IN_FLIGHT, successor=nobody):
        limits = Limits(10**8, 30.0, at_once)
        self.admission = Admission(1, 30.0, SharedCounts(None, FIELDS))
        self.memory = Budget("pictures", 2**30, SharedCounts(None, 2).of("pictures"), 30.0)
        self.use_case = Predict(
            backend, successor, FileResults(folder), self.admission, self.memory, threads, Metrics(), limits
        )

    async def predict(self, model, data, parameters, timings, caller=None):
        async def read():
            return data, parameters

        return await self.use_case.predict(model, read, timings, caller)


@pytest.fixture(scope="module")
def data():
    return encoded(Image.fromarray(stained(1100, 1900).pixels))


async def test_tiles_are_sent_together_and_bounded(tmp_path, threads, data):
    backend = Tiles()
    timings = Timings()
    answer = await Asker(backend, tmp_path, threads).predict(ONE, data, SegmentationParameters(um_per_px=2.0), timings)
    document = answer.entry.document
    assert backend.asked > 2 * IN_FLIGHT
    assert backend.most == IN_FLIGHT
    assert document["areas"]["epithelium"]["fraction"] > 0.95
    assert {"decode", "preprocess", "infer", "postprocess", "store"} <= timings.laps_ms.keys()


class Replaced(Tiles):
    """Answers some tiles, and then version 2 alone is loaded."""

    async def infer(self, name, version, inputs, outputs, timeout_s):
        if version == "1" and self.asked > IN_FLIGHT:
            raise ModelNotReady(name, "version 1 is not at ready state", unloaded=True)
        return await super().infer(name, version, inputs, outputs, timeout_s)


async def ask_of_one_that_is_replaced(folder, threads, data, newest, caller):
    async def successor(gone):
        assert gone is ONE
        return newest

    asker = Asker(Replaced(), folder, threads, successor=successor)
    return await asker.predict(ONE, data, SegmentationParameters(um_per_px=2.0), Timings(), caller)


async def test_a_version_that_goes_in_the_middle_of_a_picture_is_followed_by_the_next(tmp_path, threads, data):
    newest = replace(ONE, configuration=replace(ONE.configuration, version="2"))
    answer = await ask_of_one_that_is_replaced(tmp_path, threads, data, newest, Caller())
    document = answer.entry.document
    assert (document["version"], document["provenance"]["version"]) == ("2", "2")
    assert document["areas"]["epithelium"]["fraction"] > 0.95


@pytest.mark.parametrize(("there", "caller"), [(False, Caller()), (True, Caller(any_version=False))])
async def test_a_version_that_goes_is_told_where_none_may_follow(tmp_path, threads, data, there, caller):
    newest = replace(ONE, configuration=replace(ONE.configuration, version="2")) if there else None
    with pytest.raises(ModelNotReady, match="not at ready state"):
        await ask_of_one_that_is_replaced(tmp_path, threads, data, newest, caller)


@pytest.mark.parametrize(("batch", "together"), [(1, 4), (8, 24)])
async def test_left_out_the_bound_fills_the_batches_of_the_model(tmp_path, threads, data, batch, together):
    backend = Tiles(fail_at=10**6)  # no answer comes
    asker = Asker(backend, tmp_path, threads, at_once=None)
    asking = asyncio.create_task(
        asker.predict(model(max_batch_size=batch), data, SegmentationParameters(um_per_px=2.0), Timings())
    )
    async with asyncio.timeout(60):
        while backend.now < together:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)  # for one too many
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert backend.asked == together


async def test_one_error_ends_the_rest_and_leaves_nothing(tmp_path, threads, data):
    backend = Tiles(fail_at=2)
    busy = Asker(backend, tmp_path, threads)
    async with asyncio.timeout(60):
        with pytest.raises(DeadlineExceeded):
            await busy.predict(ONE, data, SegmentationParameters(um_per_px=2.0), Timings())
    assert backend.now == 0
    assert backend.cancelled == IN_FLIGHT - 1
    assert not list(tmp_path.rglob("*.zip"))
    busy.admission.check(ONE)  # its place is free again


async def test_a_caller_that_goes_away_frees_its_place(tmp_path, threads, data):
    backend = Tiles(fail_at=10**6)  # no answer comes
    busy = Asker(backend, tmp_path, threads)
    asking = asyncio.create_task(busy.predict(ONE, data, SegmentationParameters(um_per_px=2.0), Timings()))
    async with asyncio.timeout(60):
        while backend.now < IN_FLIGHT:
            await asyncio.sleep(0.01)
    with pytest.raises(TooBusy, match="1 large pictures under way"):
        await busy.predict(ONE, data, SegmentationParameters(um_per_px=1.9), Timings())
    busy.admission.check(ONE)  # small ones flow beside it
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert backend.now == 0
    assert busy.memory.used_bytes() == 0
    with busy.admission.place(ONE) as place:
        await busy.admission.fit(ONE, place, 100)
