"""Alarms on metrics of each minute, read from the template, and what they say of the last minutes."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from loadtest.scaling.metric_math import Value, value

COMPARED: Final[Mapping[str, Callable[[float, float], bool]]] = MappingProxyType(
    {"GreaterThanOrEqualToThreshold": operator.ge, "LessThanOrEqualToThreshold": operator.le}
)


@dataclass(frozen=True)
class Alarm:
    """One on a metric math expression.

    Attributes:
        metrics: The metrics' names by their ids in the expression.
        expression: What is watched.
        threshold: What it is compared with.
        breaches: How.
        periods: So many minutes in a row have to.
        missing_breaches: Whether a minute without a value does.
    """

    metrics: Mapping[str, str]
    expression: str
    threshold: float
    breaches: Callable[[float, float], bool]
    periods: int
    missing_breaches: bool

    @classmethod
    def of(cls, properties: Mapping[str, Any], plain: Callable[[Any], Any]) -> "Alarm":
        """As the template has it.

        Args:
            properties: Of its resource.
            plain: Gives what a part of the template is for the stack's parameters.
        """
        metrics = {
            each["Id"]: each["MetricStat"]["Metric"]["MetricName"]
            for each in properties["Metrics"]
            if "MetricStat" in each
        }
        (watched,) = (each for each in properties["Metrics"] if each.get("ReturnData", True))
        return cls(
            metrics=metrics,
            expression=str(plain(watched["Expression"])),
            threshold=float(plain(properties["Threshold"])),
            breaches=COMPARED[properties["ComparisonOperator"]],
            periods=int(plain(properties["EvaluationPeriods"])),
            missing_breaches=properties["TreatMissingData"] == "breaching",
        )

    def watched(self, told: Mapping[str, Value]) -> Value:
        """The expression's value in a minute.

        Args:
            told: The metrics by their names.
        """
        return value(self.expression, {key: told[name] for key, name in self.metrics.items()})

    def rings(self, told: Sequence[Mapping[str, Value]]) -> float | None:
        """The last value, if the alarm is on.

        Args:
            told: The metrics of each minute, the last one last.
        """
        last: Value = None
        if len(told) < self.periods:
            return None
        for minute in reversed(told[-self.periods :]):
            watched = self.watched(minute)
            if not (self.missing_breaches if watched is None else self.breaches(watched, self.threshold)):
                return None
            last = watched if last is None else last
        return last
