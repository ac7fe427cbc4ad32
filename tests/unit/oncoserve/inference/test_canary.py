"""Canaries to the stand-in for Triton; tests/integration/faults sends them to the real one."""

import asyncio
import contextlib

import numpy as np
import pytest

from oncoserve.errors import DeadlineExceeded, InferenceFailed, InferenceUnavailable, ModelNotReady
from oncoserve.inference import canary
from oncoserve.inference.backend import CanaryAnswer
from oncoserve.inference.canary import Canaries
from testbed.fakes import FakeBackend, classifier

IMAGE = {"image": np.full((1, 8, 8, 3), 100, np.uint8)}


class Server(FakeBackend):
    """Notes each canary, and says what it is told to say."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.said = CanaryAnswer(whole=False, sha256="a" * 64, loaded="1")
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def canary(self, model, inputs, *, full, timeout_s):
        self.asked.append(full)
        await self.hangs.wait()
        answer = await super().canary(model, inputs, full=full, timeout_s=timeout_s)
        return answer if full else self.said


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves: a list of one number of seconds."""
    now = [1000.0]
    monkeypatch.setattr(canary, "_now", lambda: now[0])
    return now


@pytest.fixture
async def known(clock):
    """A server, what hears of it, the vitals of its model after the first look, and the failures that were counted."""
    server, failed = Server(), []
    canaries = Canaries(server, failed.append)
    vitals = canaries.of(await canaries.configuration("tiny", "1"))
    await vitals.look(0)
    yield server, canaries, vitals, failed
    server.hangs.set()
    await canaries.close()


async def look(vitals, clock, seconds, executions=0):
    clock[0] += seconds
    await vitals.look(executions)
    return vitals.problem


async def ask(canaries):
    return await canaries.infer("tiny", "1", IMAGE, ["probabilities"], 1.0)


async def test_the_first_look_asks_the_process_and_then_the_graph(known):
    server, _, vitals, failed = known
    assert server.asked == [False, True]
    assert (vitals.problem, vitals.served.sha256, failed) == ("", "a" * 64, [])


async def test_it_is_asked_when_idle_and_the_graph_once_a_minute(known, clock):
    server, _, vitals, _ = known
    server.asked.clear()
    for _ in range(59):
        assert await look(vitals, clock, 1) == ""
    assert server.asked == [False] * 29
    await look(vitals, clock, 2)
    assert server.asked[29:] == [False, True]


async def test_real_answers_save_canaries(known, clock):
    server, canaries, vitals, _ = known
    server.asked.clear()
    for _ in range(100):
        clock[0] += 1
        await ask(canaries)
        await vitals.look(0)
    assert server.asked == []


async def test_where_every_canary_runs_the_graph_a_slow_one_is_asked_seldom(known, clock):
    server, _, vitals, _ = known

    async def slow(*_, **__):
        server.asked.append(True)
        clock[0] += 1
        return CanaryAnswer()

    server.canary = slow
    await look(vitals, clock, 2)
    server.asked.clear()
    for _ in range(40):
        await look(vitals, clock, 1)
    assert 3 <= len(server.asked) <= 4


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (ModelNotReady("tiny", "its process has ended"), "its process has ended"),
        (InferenceFailed("tiny"), "it fails on a picture of noise"),
    ],
)
async def test_a_canary_that_fails_is_a_problem_until_one_comes_back(known, clock, error, problem):
    server, _, vitals, failed = known

    async def sick(model, inputs, *, full, timeout_s):
        server.asked.append(full)
        raise error

    well, server.canary = server.canary, sick
    assert await look(vitals, clock, 2) == problem
    assert failed == ["tiny"]
    server.asked.clear()
    assert await look(vitals, clock, 0.1) == problem
    assert server.asked == []
    await look(vitals, clock, 0.5)
    assert len(server.asked) == 1
    server.canary, server.said = well, CanaryAnswer(whole=False, loaded="2")
    server.asked.clear()
    assert await look(vitals, clock, 0.5) == ""
    assert server.asked == [False, True]


async def test_a_real_request_that_meets_a_dead_process_is_believed_at_once(known):
    server, canaries, vitals, _ = known
    server.loaded.clear()
    with pytest.raises(ModelNotReady):
        await ask(canaries)
    assert vitals.problem == "not loaded"


async def test_of_a_version_that_was_unloaded_the_next_look_knows_more(known):
    server, canaries, vitals, _ = known

    async def infer(*_):
        raise ModelNotReady("tiny", "version 1 is not at ready state", unloaded=True)

    server.infer = infer
    with pytest.raises(ModelNotReady):
        await ask(canaries)
    assert vitals.problem == ""


@pytest.mark.parametrize("kind", ["error", "NaN"])
async def test_a_real_request_that_fails_makes_the_graph_be_asked(known, clock, kind):
    server, canaries, vitals, _ = known
    await look(vitals, clock, 3)
    server.asked.clear()

    async def infer(*_):
        if kind == "NaN":
            return {"probabilities": np.full((1, 3), np.nan, np.float32)}
        raise InferenceFailed("tiny")

    server.infer = infer
    clock[0] += 1
    with contextlib.suppress(InferenceFailed):
        await ask(canaries)
    assert await look(vitals, clock, 0) == ""
    assert server.asked == []  # pictures that fail must not become work for the graph without end
    await look(vitals, clock, 1)
    assert server.asked == [False, True]


async def test_silence_is_a_fault_after_a_while_and_a_late_answer_ends_it(known, clock):
    server, _, vitals, _ = known
    server.hangs.clear()
    assert await look(vitals, clock, 2) == ""
    assert await look(vitals, clock, 2.4) == ""
    assert await look(vitals, clock, 0.2) == "it gave no answer for more than 2.5 s"
    server.hangs.set()
    assert await look(vitals, clock, 0) == ""


async def test_progress_of_others_is_no_silence(known, clock):
    server, _, vitals, _ = known
    server.hangs.clear()
    for executions in range(20):
        assert await look(vitals, clock, 2, executions) == ""
    assert "no answer" in await look(vitals, clock, 3, 19)


async def test_patience_grows_with_the_longest_execution(known, clock):
    server, _, vitals, _ = known
    server.said = CanaryAnswer(whole=False, loaded="1", longest_s=5)
    await look(vitals, clock, 2)
    server.hangs.clear()
    assert await look(vitals, clock, 2) == ""
    assert await look(vitals, clock, 19) == ""
    assert "no answer" in await look(vitals, clock, 2)


async def test_a_canary_that_ran_out_of_time_is_sent_anew_and_the_silence_goes_on(known, clock):
    server, _, vitals, _ = known

    async def late(*_, **__):
        server.asked.append(None)
        raise DeadlineExceeded("tiny", 10)

    server.canary = late
    assert await look(vitals, clock, 2) == ""
    assert "no answer" in await look(vitals, clock, 3)
    assert server.asked[-2:] == [None, None]


async def test_a_reload_is_noticed_by_the_count_that_begins_anew(known, clock):
    server, _, vitals, _ = known
    await look(vitals, clock, 1, executions=10)
    server.said = CanaryAnswer(whole=False, sha256="b" * 64, loaded="2")
    assert await look(vitals, clock, 0.1, executions=1) == ""
    assert vitals.served.sha256 == "b" * 64


async def test_a_reload_turns_nobody_away_while_it_is_asked(known, clock):
    server, _, vitals, _ = known
    await look(vitals, clock, 1, executions=10)
    server.hangs.clear()
    looking = asyncio.create_task(look(vitals, clock, 0.1, executions=1))
    await asyncio.sleep(0.01)
    assert vitals.problem == ""  # a caller at this moment
    assert await look(vitals, clock, 0.1, executions=1) == ""  # another look, as of a health check
    assert not looking.done()
    server.said = CanaryAnswer(whole=False, sha256="b" * 64, loaded="2")
    server.hangs.set()
    assert await looking == ""
    assert vitals.served.sha256 == "b" * 64


async def test_a_reload_that_the_process_tells_of_makes_the_graph_be_asked(known, clock):
    server, _, vitals, _ = known
    server.said = CanaryAnswer(whole=False, loaded="2")
    await look(vitals, clock, 2)
    server.asked.clear()
    await look(vitals, clock, 2)
    assert server.asked == [False, True]


async def test_a_server_that_is_away_is_not_the_models_problem(known, clock):
    server, _, vitals, failed = known
    server.reachable = False
    assert await look(vitals, clock, 3) == ""
    assert failed == []
    with pytest.raises(InferenceUnavailable):
        await server.infer("tiny", "1", IMAGE, ["probabilities"], 1.0)


async def test_ask_believes_only_what_is_asked_from_now_on(known):
    server, _, vitals, _ = known
    assert await vitals.ask(full=True)
    assert server.asked[-2:] == [False, True]
    server.sick["tiny"] = InferenceFailed("tiny")
    assert not await vitals.ask(full=True)
    server.sick.clear()
    assert await vitals.ask(full=False)


async def test_another_configuration_is_another_model(known):
    _, canaries, vitals, _ = known
    assert canaries.of(vitals.configuration) is vitals
    assert canaries.of(classifier(classes=4)) is not vitals
