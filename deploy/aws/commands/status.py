"""`status`: how everything stands. What is missing is named, and the rest is shown all the same."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deploy.aws.commands import stacks
from deploy.aws.commands.account import Account, code_and_text
from oncoserve.cli.client.client_errors import EXIT_FINE, EXIT_SOME_FAILED, UsageError
from oncoserve.cli.client.printing import columns, printable

WELL = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
DEAD = "-dead"
Resource = Mapping[str, Any]


def add_options(parser: ArgumentParser) -> None:
    """This command has no options of its own."""
    del parser


def main(given: Namespace) -> int:
    """Run the command.

    Raises:
        ClientError: it cannot go on.
    """
    account = Account(given.region)
    print(f"{account.in_words}, name {given.name}")
    return EXIT_FINE if _Status(account, given.name).tell() else EXIT_SOME_FAILED


class _Status:
    """One look at everything.

    Args:
        account: where.
        name: the pipeline's.
    """

    def __init__(self, account: Account, name: str) -> None:
        self._account, self._name = account, name
        self._bad: list[str] = []
        self._resources: list[Resource] = []

    def tell(self) -> bool:
        """Print it; whether all is well."""
        for name, workers in ((self._name, False), (stacks.workers_of(self._name), True)):
            self._part(f"stack {name}", partial(self._stack, name, workers=workers))
        self._each("function", "AWS::Lambda::Function", self._function)
        self._each("queue", "AWS::SQS::Queue", self._queue)
        self._each("group", "AWS::AutoScaling::AutoScalingGroup", self._group)
        self._each("endpoint", "AWS::SageMaker::Endpoint", self._endpoint)
        self._part("alarms", self._alarms)
        if self._bad:
            print("\nNot well:", *(f"   {each}" for each in self._bad), sep="\n")
        return not self._bad

    def _part(self, what: str, look: Callable[[], Iterable[object]]) -> list[object]:
        """What a look brings; nothing, and a word about it, where it is refused."""
        try:
            return list(look())
        except (ClientError, BotoCoreError, UsageError, KeyError) as error:
            words = ": ".join(code_and_text(error)) if isinstance(error, ClientError) else printable(str(error))
            self._bad.append(f"{what}: {words}")
            return []

    def _stack(self, name: str, *, workers: bool) -> Iterable[object]:
        stack = stacks.ours(self._account, name, workers=workers)
        if stack is None:
            self._bad.append(f"stack {name}: there is none; `deploy` makes it")
            return
        print(f"\nstack {name}: {stack.status} since {stack.changed}{'; ' if stack.reason else ''}{stack.reason}")
        if stack.status not in WELL:
            advice = stacks.STUCK.get(stack.status, "").format(region=self._account.region, name=name)
            self._bad.append(f"stack {name}: {stack.status}{'; ' if advice else ''}{advice}")
        for key, value in sorted(stack.outputs.items()):
            print(f"   {key} = {value}")
        pages = self._account.client("cloudformation").get_paginator("list_stack_resources")
        for page in pages.paginate(StackName=stack.id):
            self._resources += page["StackResourceSummaries"]
        yield stack

    def _each(self, title: str, kind: str, look: Callable[[str], Iterable[object]]) -> None:
        """A table of the resources of a type."""
        of = [each["PhysicalResourceId"] for each in self._resources if each["ResourceType"] == kind]
        rows = []
        for name in sorted(of):
            rows += self._part(f"{title} {name.rsplit('/', 1)[-1]}", partial(look, name))
        if rows:
            print()
            heads = {"function": FUNCTION, "queue": QUEUE, "group": GROUP, "endpoint": ENDPOINT}[title]
            print(*columns([heads, *rows]), sep="\n")  # type: ignore[list-item]

    def _function(self, name: str) -> Iterable[object]:
        found = self._account.client("lambda").get_function_configuration(FunctionName=name)
        state, update = found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")
        if state not in {"Active", "Inactive"} or update == "Failed":
            self._bad.append(f"function {name}: {state}, last update {update}: {found.get('StateReason', '')}")
        yield name, found.get("Runtime", ""), ",".join(found.get("Architectures", [])), state, update

    def _queue(self, url: str) -> Iterable[object]:
        name = url.rsplit("/", 1)[-1]
        found = self._account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        attributes = found["Attributes"]
        waiting = int(attributes["ApproximateNumberOfMessages"])
        in_flight = int(attributes["ApproximateNumberOfMessagesNotVisible"])
        if name.endswith(DEAD) and waiting + in_flight:
            model = name.removeprefix(f"{self._name}-").removesuffix(DEAD)
            self._bad.append(f"queue {name}: {waiting + in_flight} dead letters; `redrive {model}` shows why")
        yield name, waiting, in_flight, self._oldest(name)

    def _oldest(self, queue: str) -> str:
        """The age of its oldest message, as CloudWatch saw it last; it may be minutes behind."""
        now = datetime.now(UTC)
        found = self._account.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": queue}],
            StartTime=now - timedelta(minutes=15),
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        newest = max(found, key=lambda each: each["Timestamp"], default=None)
        return "-" if newest is None else str(timedelta(seconds=int(newest["Maximum"])))

    def _group(self, name: str) -> Iterable[object]:
        groups = self._account.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        if not groups["AutoScalingGroups"]:
            self._bad.append(f"group {name}: it is gone, though the stack has it")
        for group in groups["AutoScalingGroups"]:
            serving = [each for each in group["Instances"] if each["LifecycleState"] == "InService"]
            ill = [each["InstanceId"] for each in group["Instances"] if each["HealthStatus"] != "Healthy"]
            if ill:
                self._bad.append(f"group {name}: not healthy: {', '.join(ill)}")
            yield name, group["MinSize"], group["DesiredCapacity"], group["MaxSize"], len(serving)

    def _endpoint(self, name: str) -> Iterable[object]:
        found = self._account.client("sagemaker").describe_endpoint(EndpointName=name.rsplit("/", 1)[-1])
        if found["EndpointStatus"] != "InService":
            self._bad.append(f"endpoint {name}: {found['EndpointStatus']}: {found.get('FailureReason', '')}")
        variants = found.get("ProductionVariants", [])
        yield (
            found["EndpointName"],
            found["EndpointStatus"],
            sum(each.get("CurrentInstanceCount", 0) for each in variants),
            sum(each.get("DesiredInstanceCount", 0) for each in variants),
        )

    def _alarms(self) -> Iterable[object]:
        alarms = [each for each in self._resources if each["ResourceType"] == "AWS::CloudWatch::Alarm"]
        names = [each["PhysicalResourceId"] for each in alarms]
        states: list[str] = []
        for start in range(0, len(names), 100):  # as many as one request takes
            asked = self._account.client("cloudwatch").describe_alarms(AlarmNames=names[start : start + 100])
            for alarm in asked["MetricAlarms"]:
                states.append(alarm["StateValue"])
                if alarm["StateValue"] == "ALARM":
                    self._bad.append(f"alarm {alarm['AlarmName']}: {printable(alarm.get('AlarmDescription', ''))}")
        count = ", ".join(f"{states.count(each)} {each}" for each in sorted(set(states)))
        print(f"\nalarms: {count or 'none'}")
        if len(states) < len(names):
            self._bad.append(f"alarms: {len(names) - len(states)} of {len(names)} are gone, though the stack has them")
        return states


FUNCTION = ("FUNCTION", "RUNTIME", "PROCESSOR", "STATE", "UPDATE")
QUEUE = ("QUEUE", "WAITING", "IN FLIGHT", "OLDEST")
GROUP = ("WORKERS", "LEAST", "WANTED", "MOST", "IN SERVICE")
ENDPOINT = ("ENDPOINT", "STATUS", "INSTANCES", "WANTED")
