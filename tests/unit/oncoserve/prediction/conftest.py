"""Admission on a clock of the test's own."""

from contextlib import ExitStack

import pytest

from oncoserve.prediction.admission import FIELDS, Admission, Lane
from oncoserve.runtime.sharing import SharedCounts
from tests.unit.oncoserve.tasks.test_segmentation import model

BATCH = 2
MODEL = model(max_batch_size=BATCH)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def admission(clock):
    return Admission(3, 60.0, SharedCounts(None, FIELDS), clock)


async def answer(admission, clock, seconds, lane=Lane.INTERACTIVE):
    async with admission.inference(MODEL, lane):
        clock.now += seconds


@pytest.fixture
def fill(admission):
    """Takes places until the test is over; call it as `fill(count)`."""
    with ExitStack() as held:

        def enter(count, lane=Lane.INTERACTIVE, of=MODEL):
            for _ in range(count):
                held.enter_context(admission.place(of, lane))
            return held

        yield enter


@pytest.fixture
def processes(tmp_path, clock):
    """The admissions of two processes of one service."""
    return [Admission(3, 60.0, SharedCounts(tmp_path, FIELDS), clock) for _ in range(2)]
