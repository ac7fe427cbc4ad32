"""A queue and its workers, minute by minute, as CloudWatch and Auto Scaling make them more and fewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from loadtest.scaling.metric_math import Value
from loadtest.scaling.policies import Policies, Policy
from oncoserve.settings import Settings

METRIC_DELAY_MIN: Final = 1
"""SQS tells CloudWatch once a minute; the alarm then looks at minutes that have ended."""

ASLEEP_MIN: Final = 6 * 60
"""SQS stops telling CloudWatch of an empty queue that nobody used for so long, by its developer guide, "Monitoring"."""

WAKING_MIN: Final = 15
"""And tells again of one that is used again within so long, by the same guide. The worst is played."""

IN_HAND: Final[int] = Settings.model_fields["job_images_in_flight"].default


@dataclass(frozen=True)
class Minute:
    """The state at the end of a minute.

    Attributes:
        waiting: Pictures in the queue.
        working: Workers in service.
        wanted: Workers that the group is to have.
        told: What CloudWatch is told of it.
    """

    waiting: float
    working: int
    wanted: int
    told: Mapping[str, Value]


@dataclass
class _Group:
    """Of machines, by the minutes at which they are ready."""

    policies: Policies
    boot_min: int
    ready: list[int] = field(default_factory=list)
    cool_from: int = -(10**6)

    def follow(self, policy: Policy, watched: float, now: int) -> None:
        """Do what a policy wants, as far as Auto Scaling lets it."""
        simple = policy.kind == "SimpleScaling"
        if simple and now < self.cool_from + policy.wait_min:
            return
        # What is not warm is no part of what a step counts from, and nothing is taken away while it is not.
        warm = sum(each + policy.wait_min <= now for each in self.ready)
        wanted = policy.wanted(watched, len(self.ready) if simple else warm)
        wanted = min(max(wanted, self.policies.least), self.policies.most)
        grows = policy.how == "PercentChangeInCapacity"
        if wanted > len(self.ready):
            self.ready += [now + self.boot_min] * (wanted - len(self.ready))
        elif wanted < len(self.ready) and not grows and (simple or warm == len(self.ready)):
            del self.ready[wanted:]
            if simple:
                self.cool_from = now


def play(
    policies: Policies, arrivals: Sequence[float], rate_per_min: float, boot_min: int, *, asleep: bool = False
) -> list[Minute]:
    """What the policies do.

    Args:
        policies: Of the stack.
        arrivals: Pictures by minute.
        rate_per_min: That a worker does.
        boot_min: From the launch until it is in service.
        asleep: Nobody has used the queue for hours when this begins.
    """
    group = _Group(policies, boot_min, [0] * policies.least)
    waiting, used, told_from = 0.0, -ASLEEP_MIN - 1 if asleep else 0, 0
    history: list[Minute] = []
    for now, arrived in enumerate(arrivals):
        working = sum(each <= now for each in group.ready)
        done = min(waiting + arrived, working * rate_per_min)
        waiting += arrived - done
        if waiting or arrived or working:
            if now - used > ASLEEP_MIN:
                told_from = now + WAKING_MIN
            used = now
        tells = told_from <= now <= used + ASLEEP_MIN
        # Only what is under way at the moment that SQS looks: of a worker that has little to do, hardly ever anything.
        in_hand = IN_HAND * working if waiting else int(done / rate_per_min)
        told = {
            "ApproximateNumberOfMessagesVisible": waiting if tells else None,
            "ApproximateNumberOfMessagesNotVisible": in_hand if tells and in_hand else None,
            "NumberOfMessagesReceived": done if tells and done else None,
            "GroupDesiredCapacity": len(group.ready),
            "GroupInServiceInstances": working,
        }
        history.append(Minute(waiting, working, len(group.ready), told))
        seen = [each.told for each in history[: -METRIC_DELAY_MIN or None]]
        for policy in policies.by_name.values():
            if seen and (watched := policy.alarm.rings(seen)) is not None:
                group.follow(policy, watched, now)
    return history


def notices(policies: Policies, history: Sequence[Minute]) -> int:
    """For how many minutes the alarm is on that there is work and no worker."""
    told = [each.told for each in history]
    return sum(policies.told.rings(told[: now + 1]) is not None for now in range(len(told)))
