import asyncio
import weakref
from dataclasses import replace

import numpy as np
import pytest

from oncoserve.errors import DeadlineExceeded, InferenceFailed, InferenceUnavailable
from oncoserve.inference.coalescing import CALL_S, CoalescingBackend
from testbed.fakes import FakeBackend, classifier, let_others_run
from testbed.tiny_models import expected_probabilities

CALLS_IN_FLIGHT = 2  # of a model with one instance
OUTPUTS = ["probabilities"]
GENERATOR = np.random.default_rng(0)


def image(rows=1):
    return GENERATOR.integers(0, 256, (rows, 8, 8, 3), dtype=np.uint8)


class Server:
    """The stand-in behind the coalescing, held back by its gate."""

    def __init__(self, max_batch_size=4):
        self.fake = FakeBackend(classifier(max_batch_size=max_batch_size))
        self.fake.gate = asyncio.Event()
        self.coalescing = CoalescingBackend(self.fake)

    async def ask(self, picture, timeout_s=5.0):
        answer = await self.coalescing.infer("tiny", "1", {"image": picture}, OUTPUTS, timeout_s)
        return answer["probabilities"]

    async def start(self, *pictures, timeout_s=5.0):
        """Ask for each in a task of its own, as far as they get."""
        tasks = [asyncio.create_task(self.ask(picture, timeout_s)) for picture in pictures]
        await let_others_run()
        return tasks

    def rows(self):
        """How many pictures each call held."""
        return [len(inputs["image"]) for _, _, inputs, _, _ in self.fake.calls]


@pytest.fixture
async def server():
    made = Server()
    await made.coalescing.configuration("tiny", "1")
    return made


async def test_what_waits_travels_together_and_everybody_gets_their_own(server):
    pictures = [image() for _ in range(CALLS_IN_FLIGHT + 6)]
    tasks = await server.start(*pictures)
    assert server.rows() == [1] * CALLS_IN_FLIGHT
    server.fake.gate.set()
    answers = await asyncio.gather(*tasks)
    assert server.rows() == [1] * CALLS_IN_FLIGHT + [4, 2]  # the model's largest batch is 4
    for picture, answer in zip(pictures, answers, strict=True):
        assert np.array_equal(answer, expected_probabilities(picture, 3))


async def test_batches_of_callers_are_kept_whole(server):
    tasks = await server.start(image(), image(), image(2), image(1), image(2), image(1))
    server.fake.gate.set()
    await asyncio.gather(*tasks)
    assert server.rows() == [1, 1, 3, 3]


@pytest.mark.parametrize("largest", [0, 1, 3])
async def test_where_no_second_fits_each_goes_alone(largest):
    server = Server(max_batch_size=largest)
    await server.coalescing.configuration("tiny", "1")
    tasks = await server.start(*(image(2) for _ in range(6)))
    assert server.rows() == [2] * CALLS_IN_FLIGHT
    server.fake.gate.set()
    await asyncio.gather(*tasks)
    assert server.rows() == [2] * 6


async def test_each_instance_of_a_model_has_a_call_and_one_more_is_ready():
    server = Server()
    server.fake.configurations["tiny"] = replace(server.fake.configurations["tiny"], instances=3)
    await server.coalescing.configuration("tiny", "1")
    await server.start(*(image() for _ in range(6)))
    assert server.rows() == [1] * 4


async def test_who_hangs_up_while_waiting_is_never_sent(server):
    tasks = await server.start(*(image() for _ in range(CALLS_IN_FLIGHT + 3)))
    tasks[-1].cancel()
    tasks[-2].cancel()
    await asyncio.sleep(0)
    server.fake.gate.set()
    await asyncio.gather(*tasks[:-2])
    assert server.rows() == [1] * CALLS_IN_FLIGHT + [1]


async def test_a_call_whose_callers_have_gone_goes_on_and_keeps_its_place(server):
    finished = []
    infer = server.fake.infer

    async def noted(*asked):
        answer = await infer(*asked)
        finished.append(asked)
        return answer

    server.fake.infer = noted
    tasks = await server.start(*(image() for _ in range(CALLS_IN_FLIGHT + 2)))
    for task in tasks[:CALLS_IN_FLIGHT]:
        task.cancel()
    await let_others_run()
    assert all(task.cancelled() for task in tasks[:CALLS_IN_FLIGHT])
    assert server.rows() == [1] * CALLS_IN_FLIGHT  # those who wait still wait: the server has the others' work
    server.fake.gate.set()
    await asyncio.gather(*tasks[CALLS_IN_FLIGHT:])
    assert server.rows() == [1] * CALLS_IN_FLIGHT + [2]
    assert len(finished) == len(server.fake.calls)


async def test_everybody_has_their_own_deadline(server):
    patient = await server.start(*(image() for _ in range(CALLS_IN_FLIGHT + 1)))
    (hasty,) = await server.start(image(), timeout_s=0.05)
    with pytest.raises(DeadlineExceeded, match=r"0\.05 s"):
        await hasty
    server.fake.gate.set()
    await asyncio.gather(*patient)
    assert server.rows() == [1] * CALLS_IN_FLIGHT + [1]


@pytest.mark.parametrize(("longest_s", "told_s"), [(9, CALL_S), (CALL_S, 2 * CALL_S)])
async def test_a_call_has_more_time_than_its_most_patient_caller(server, longest_s, told_s):
    first = await server.start(*(image() for _ in range(CALLS_IN_FLIGHT)))
    others = [*await server.start(image(), timeout_s=2), *await server.start(image(), timeout_s=longest_s)]
    server.fake.gate.set()
    await asyncio.gather(*first, *others)
    assert server.fake.calls[-1][4] == told_s


async def test_an_error_is_everybodys(server):
    tasks = await server.start(*(image() for _ in range(CALLS_IN_FLIGHT + 2)))
    server.fake.reachable = False
    server.fake.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(answer, InferenceUnavailable) for answer in answers[-2:]] == [True, True]
    assert not server.coalescing._queues["tiny", "1", ("probabilities",)]._calls


@pytest.mark.parametrize("wrong", [lambda array: np.repeat(array, 2, axis=0), lambda array: array[:-1], np.sum])
async def test_an_answer_with_other_rows_reaches_nobody(server, wrong):
    infer = server.fake.infer

    async def mistaken(*asked):
        return {name: wrong(array) for name, array in (await infer(*asked)).items()}

    server.fake.infer = mistaken
    tasks = await server.start(*(image() for _ in range(CALLS_IN_FLIGHT + 2)))
    server.fake.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, InferenceFailed) for answer in answers)


async def test_an_error_keeps_nothing_of_whoever_caught_it(server, without_collector):
    server.fake.gate.set()
    server.fake.reachable = False

    async def ask_and_catch():
        picture = image()
        with pytest.raises(InferenceUnavailable):
            await server.ask(picture)
        server.fake.calls.clear()
        return weakref.ref(picture)

    gone = await ask_and_catch()
    await let_others_run()
    assert gone() is None
