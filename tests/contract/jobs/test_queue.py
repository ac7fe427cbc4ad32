"""What jobs expect of a queue."""

import asyncio
import time

from oncoserve.jobs.job import ImageMessage
from oncoserve.jobs.ports import Backlog, DeadLetter
from tests.contract.jobs.conftest import BRIEF_S

JOB, OTHER = "0" * 31 + "1", "0" * 31 + "2"
WAIT_S = 10  # long enough for any queue


def message(index=0, job_id=JOB, model="tiny"):
    return ImageMessage(job_id=job_id, index=index, model=model, object=f"jobs/{job_id}/{index}", owner="ward")


async def receive(queue, count=1, model="tiny"):
    """Several calls may be needed: a queue gives some, not all."""
    leases = []
    async with asyncio.timeout(2 * WAIT_S):
        while len(leases) < count:
            leases += await queue.receive(model, min(10, count - len(leases)), WAIT_S)
    return leases


async def empty(queue, model="tiny"):
    return not await queue.receive(model, 10, 0.1)


async def test_a_message_comes_as_it_was_sent_and_to_one_receiver(queue):
    await queue.send([message()])
    (lease,) = await receive(queue)
    assert (lease.model, lease.deliveries) == ("tiny", 1)
    assert ImageMessage.model_validate_json(lease.body) == message()
    assert await empty(queue)


async def test_each_model_has_its_own(queue):
    await queue.send([message(0), message(1, model="other")])
    (lease,) = await receive(queue, model="other")
    assert ImageMessage.model_validate_json(lease.body).index == 1
    assert await empty(queue, "other")
    assert len(await receive(queue)) == 1


async def test_many_messages_each_once_to_many_receivers(queue):
    await queue.send([message(index) for index in range(50)])
    found = []

    async def take():
        while leases := await queue.receive("tiny", 7, 0.2):
            found.extend(leases)
            for lease in leases:
                await queue.acknowledge(lease)

    await asyncio.gather(*(take() for _ in range(4)))
    assert sorted(ImageMessage.model_validate_json(lease.body).index for lease in found) == list(range(50))
    assert {lease.deliveries for lease in found} == {1}


async def test_a_receiver_waits_for_the_first_message(queue):
    waiting = asyncio.create_task(queue.receive("tiny", 10, WAIT_S))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await queue.send([message()])
    assert len(await waiting) == 1


async def test_a_lease_that_runs_out_is_handed_out_again_and_counted(brief_queue):
    await brief_queue.send([message()])
    (first,) = await receive(brief_queue)
    (second,) = await receive(brief_queue)
    assert (second.body, second.deliveries) == (first.body, 2)
    assert second.receipt != first.receipt


async def test_a_heartbeat_keeps_a_lease(brief_queue):
    await brief_queue.send([message()])
    (lease,) = await receive(brief_queue)
    for _ in range(3):
        await brief_queue.extend(lease, BRIEF_S + 2)
        await asyncio.sleep(BRIEF_S / 2)
    assert await empty(brief_queue)


async def test_what_is_released_comes_again_after_its_delay(queue):
    await queue.send([message()])
    (lease,) = await receive(queue)
    released = time.time()
    await queue.release(lease, 1)
    (again,) = await receive(queue)
    assert (again.deliveries, time.time() - released >= 1) == (2, True)
    await queue.release(again, 0)
    assert (await receive(queue))[0].deliveries == 3


async def test_what_is_acknowledged_or_buried_never_comes_again_and_the_reason_is_told(brief_queue):
    await brief_queue.send([message(0), message(1)])
    done, wrong = await receive(brief_queue, 2)
    await brief_queue.acknowledge(done)
    await brief_queue.bury(wrong, "it is wrong: ü")
    assert await brief_queue.dead(10) == [DeadLetter("tiny", wrong.body, "it is wrong: ü")]
    await asyncio.sleep(1.5 * BRIEF_S)
    assert await empty(brief_queue)


async def test_the_backlog_by_model(queue):
    await queue.send([message(index) for index in range(4)] + [message(9, model="other")])
    leases = await receive(queue, 2)
    await queue.bury(leases[0], "why")
    backlog = await queue.backlog()
    assert backlog["tiny"] == Backlog(waiting=2, in_flight=1, dead=1)
    assert backlog["other"] == Backlog(waiting=1, in_flight=0, dead=0)


async def test_how_many_are_ahead_where_the_queue_can_tell(queue):
    await queue.send([message(index) for index in range(3)])
    await queue.send([message(index, OTHER) for index in range(2)])
    assert await queue.ahead(JOB, "tiny") in {0, None}
    assert await queue.ahead(OTHER, "tiny") in {3, None}
    assert await queue.ahead("f" * 32, "tiny") is None
