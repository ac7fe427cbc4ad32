"""The policies of deploy/aws/ec2.yaml, read from it, and the group of machines that follows them."""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from loadtest.scaling.alarms import Alarm
from testbed.aws_template import read_template, unrolled

MINUTE_S: Final = 60
NAMES: Final = ("Start", "More", "Fewer", "Rest")


@dataclass(frozen=True)
class Step:
    """Of a policy: what to do from `lower` on and below `upper`, both relative to the alarm's threshold."""

    lower: float
    upper: float
    adjustment: int


@dataclass(frozen=True)
class Policy:
    """One with the alarm that drives it.

    Attributes:
        alarm: It acts in each minute in which this is on.
        kind: "StepScaling" or "SimpleScaling".
        how: "ExactCapacity", "ChangeInCapacity" or "PercentChangeInCapacity".
        steps: By the alarm's value; one of a simple policy.
        wait_min: A simple policy's cooldown; for how long a step policy does not count a new worker.
    """

    alarm: Alarm
    kind: str
    how: str
    steps: tuple[Step, ...]
    wait_min: int

    def wanted(self, watched: float, workers: int) -> int:
        """How many workers it wants.

        Args:
            watched: The alarm's value.
            workers: Those that count.
        """
        over = watched - self.alarm.threshold
        step = next(each for each in self.steps if each.lower <= over < each.upper or over == each.upper == 0)
        if self.how == "ExactCapacity":
            return step.adjustment
        if self.how == "ChangeInCapacity":
            return workers + step.adjustment
        return workers + max(1, math.floor(workers * step.adjustment / 100))


@dataclass(frozen=True)
class Policies:
    """All of one model.

    Attributes:
        by_name: By their names in the template.
        told: The alarm that tells somebody.
        quiet_min: QuietSeconds.
        least: Workers that stay.
        most: Workers at most.
    """

    by_name: Mapping[str, Policy]
    told: Alarm
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
        template = _template()
        plain = _plain(template, parameters)
        resources = {key: each["Properties"] for key, each in template["Resources"].items()}
        group = resources[f"Workers{model}"]
        by_name = {
            name: _policy(
                resources[f"{name}{model}"],
                Alarm.of(resources[f"{name}Alarm{model}"], plain),
                plain,
                group["DefaultInstanceWarmup"],
            )
            for name in NAMES
        }
        return cls(
            by_name=by_name,
            told=Alarm.of(resources[f"NoWorkerAlarm{model}"], plain),
            quiet_min=int(plain({"Ref": "QuietSeconds"})) // MINUTE_S,
            least=int(plain(group["MinSize"])),
            most=int(plain(group["MaxSize"])),
        )


@functools.cache
def _template() -> dict[str, Any]:
    return unrolled(read_template("ec2"))


def _policy(properties: Mapping[str, Any], alarm: Alarm, plain: Callable[[Any], Any], warm_s: int) -> Policy:
    simple = properties["PolicyType"] == "SimpleScaling"
    steps = [{"ScalingAdjustment": properties["ScalingAdjustment"]}] if simple else properties["StepAdjustments"]
    wait_s = properties["Cooldown"] if simple else properties.get("EstimatedInstanceWarmup", warm_s)
    return Policy(
        alarm=alarm,
        kind=properties["PolicyType"],
        how=properties["AdjustmentType"],
        steps=tuple(
            Step(
                each.get("MetricIntervalLowerBound", -math.inf),
                each.get("MetricIntervalUpperBound", math.inf),
                int(plain(each["ScalingAdjustment"])),
            )
            for each in steps
        ),
        wait_min=int(plain(wait_s)) // MINUTE_S,
    )


def _plain(template: Mapping[str, Any], parameters: Mapping[str, int]) -> Callable[[Any], Any]:
    """Gives what a part of the template is for the parameters: of the functions that these policies use."""
    given = {name: each.get("Default") for name, each in template["Parameters"].items()} | dict(parameters)

    def plain(part: Any) -> Any:  # noqa: ANN401 - any part of a document
        match part:
            case {"Ref": name}:
                return given[name]
            case {"Fn::FindInMap": [mapping, key, name]}:
                return template["Mappings"][mapping][str(plain(key))][name]
            case {"Fn::Sub": [str() as text, dict() as values]}:
                for name, each in values.items():
                    text = text.replace(f"${{{name}}}", str(plain(each)))
                return text
        return part

    return plain
