"""An image that an endpoint did not compute: tried again later, or given up."""

import logging
from dataclasses import dataclass
from typing import Final

from oncoserve.errors import AttemptsExhausted
from oncoserve.jobs.attempts import Attempts
from oncoserve.jobs.job import ImageMessage
from oncoserve.jobs.ports import Lease

# The pause before it comes again, doubled with each time: an instance takes minutes to start.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 30.0, 900.0
# So often a container may lose its model, or Triton, and it is not held against the images that were there. An image
# that ends the model each time does so beside others, which a worker would keep apart; then it counts.
SPARED: Final = 10
# SQS moves a message to the dead letters with its hundredth delivery, and nobody would say why; pipeline.yaml has it.
LAST_DELIVERY: Final = 90

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setback:
    """Why there is no answer.

    Attributes:
        reason: in words for the caller.
        counted: whether it is held against the image.
        gone: whether what computes went away; counted when that happens again and again.
    """

    reason: str
    counted: bool
    gone: bool = False


async def set_back(attempts: Attempts, lease: Lease, message: ImageMessage, attempt: int, why: Setback) -> None:
    """Have the image tried again, or give it up."""
    counted = why.counted or (why.gone and lease.deliveries > SPARED)
    final = attempts.exhausted(attempt, why.reason) if counted else None
    if lease.deliveries >= LAST_DELIVERY:
        final = AttemptsExhausted(attempt, f"Its message came {lease.deliveries} times. {why.reason}")
    if final is not None:
        await attempts.give_up(lease, message, final)
        return
    log.warning(
        "an image is tried again",
        extra={"job": message.job_id, "index": message.index, "reason": why.reason, "counted": counted},
    )
    # What does not count repeats the number of its attempt, but not that of its delivery.
    longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (lease.deliveries - 1))
    await attempts.again(lease, message, longest_s, counted=counted)
