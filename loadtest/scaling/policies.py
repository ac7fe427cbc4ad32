"""The policies of deploy/aws/ec2.yaml, read from it and played on a queue: the first worker, more, none again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from testbed.aws_template import read_template, unrolled

MINUTE_S: Final = 60
METRIC_DELAY_MIN: Final = 1
"""SQS tells CloudWatch once a minute; the alarm then looks at the minute that has ended."""


@dataclass(frozen=True)
class Policies:
    """The numbers of the template, of one model.

    Attributes:
        backlog: More pictures than that for each worker start another one.
        periods: So many minutes in a row.
        cooldown_min: So long after one was started.
        quiet_min: Nothing to do for so long takes all but `least` away.
        least: Workers that stay.
        most: Workers at most.
    """

    backlog: int
    periods: int
    cooldown_min: int
    quiet_min: int
    least: int
    most: int

    @classmethod
    def of(cls, model: str, **parameters: int) -> "Policies":
        """As the template has them.

        Args:
            model: By its name in the template, such as "BrainMri".
            parameters: Of the stack, where they are not its defaults.
        """
        template = unrolled(read_template("ec2"))
        resources = template["Resources"]
        given = {name: each.get("Default") for name, each in template["Parameters"].items()} | parameters

        def value(part: Any) -> int:  # noqa: ANN401 - a number, a parameter's or a mapping's
            if isinstance(part, dict) and "Ref" in part:
                return int(given[part["Ref"]])
            if isinstance(part, dict):
                mapping, key, name = part["Fn::FindInMap"]
                return int(template["Mappings"][mapping][key][name])
            return int(part)

        more, rest = (resources[f"{name}{model}"]["Properties"] for name in ("MoreAlarm", "RestAlarm"))
        group = resources[f"Workers{model}"]["Properties"]
        return cls(
            backlog=value(more["Threshold"]),
            periods=value(more["EvaluationPeriods"]),
            cooldown_min=value(resources[f"More{model}"]["Properties"]["Cooldown"]) // MINUTE_S,
            quiet_min=value(rest["Metrics"][0]["MetricStat"]["Period"]) // MINUTE_S,
            least=value(group["MinSize"]),
            most=value(group["MaxSize"]),
        )


@dataclass(frozen=True)
class Minute:
    """The state at the end of a minute."""

    waiting: float
    under_way: float
    starting: int
    working: int


def play(policies: Policies, arrivals: Sequence[float], rate_per_min: float, boot_min: int) -> list[Minute]:
    """What the policies do.

    Args:
        policies: Of the stack.
        arrivals: Pictures by minute.
        rate_per_min: That a worker does.
        boot_min: From the launch until it works.
    """
    waiting, boots = 0.0, [0] * policies.least
    history: list[Minute] = []
    last_launch = -policies.cooldown_min
    for now, arrived in enumerate(arrivals):
        working = sum(ready <= now for ready in boots)
        done = min(waiting + arrived, working * rate_per_min)
        waiting += arrived - done
        # Half of what a worker does in a minute is what it had in hand when SQS was asked.
        history.append(Minute(waiting, min(done, working * rate_per_min / 2), len(boots) - working, working))
        seen = history[: -METRIC_DELAY_MIN or None]
        if not seen:
            continue
        first = seen[-1].waiting >= 1 and seen[-1].working < 1 and not boots
        cool = now - last_launch >= policies.cooldown_min
        if first or (_alarmed(seen, policies) and len(boots) < policies.most and cool):
            boots.append(now + boot_min)
            last_launch = now
        quiet = seen[-policies.quiet_min :]
        if len(quiet) == policies.quiet_min and all(each.waiting + each.under_way == 0 for each in quiet):
            del boots[policies.least :]
    return history


def _alarmed(seen: Sequence[Minute], policies: Policies) -> bool:
    recent = seen[-policies.periods :]
    return len(recent) == policies.periods and all(
        each.working > 0 and each.waiting / each.working > policies.backlog for each in recent
    )
