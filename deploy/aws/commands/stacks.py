"""The two stacks: how they stand, whose they are, and waiting until something is done with one."""

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.aws.commands.account import Account, Failed, code_and_text
from deploy.aws.commands.stack_templates import OURS
from oncoserve.cli.client.client_errors import Interrupted, UsageError
from oncoserve.cli.client.printing import printable

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
PATIENCE_S = 2 * 3600  # CloudFormation's own limits end most operations long before
SHELLS = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"})  # a name without anything that works behind it
REVIEWED = "REVIEW_IN_PROGRESS"
CHANGE_SET = "oncoserve-"  # begins the names of our change sets
STUCK: Mapping[str, str] = {
    "CREATE_FAILED": "`teardown` takes away what is left of it; then deploy again",
    "ROLLBACK_FAILED": "`teardown` takes away what is left of it; then deploy again",
    "DELETE_FAILED": "`teardown` goes on with it",
    "UPDATE_ROLLBACK_FAILED": "mend what the events name, then `aws cloudformation continue-update-rollback "
    "--region {region} --stack-name {name}`",
    "UPDATE_FAILED": "`aws cloudformation rollback-stack --region {region} --stack-name {name}` takes it back",
    "IMPORT_ROLLBACK_FAILED": "see its events in the console",
}


@dataclass(frozen=True)
class Found:
    """A stack as AWS has it.

    Attributes:
        name: its name.
        id: its ARN, which a later stack of the same name does not have.
        status: CloudFormation's.
        reason: CloudFormation's words for the status.
        description: the template's.
        parameters: its values by name.
        outputs: by name.
        changed: when, in words.
    """

    name: str
    id: str
    status: str
    reason: str
    description: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    changed: str

    @property
    def is_busy(self) -> bool:
        """Whether CloudFormation is at work on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != REVIEWED

    @property
    def is_shell(self) -> bool:
        """Whether there is a name without anything behind it."""
        return self.status in SHELLS


def workers_of(pipeline: str) -> str:
    """The name of the workers' stack."""
    return f"{pipeline}-workers"


def find(account: Account, name: str) -> Found | None:
    """The stack of that name, or with that ARN; None if there is none."""
    try:
        (stack,) = account.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        code, text = code_and_text(error)
        if code == "ValidationError" and "does not exist" in text:
            return None
        raise
    changed = stack.get("LastUpdatedTime") or stack.get("CreationTime")
    return Found(
        stack["StackName"],
        stack["StackId"],
        stack["StackStatus"],
        printable(stack.get("StackStatusReason", "")),
        stack.get("Description", ""),
        {each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", [])},
        {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])},
        f"{changed:%Y-%m-%d %H:%M UTC}" if changed else "at an unknown time",
    )


def ours(account: Account, name: str, *, workers: bool) -> Found | None:
    """The stack of that name, which is surely one of this project.

    Args:
        account: where.
        name: the stack's.
        workers: whether it has to be one of workers, or else a pipeline.

    Raises:
        UsageError: there is one, and it is another's, or of the other kind.
    """
    stack = find(account, name)
    if stack is None:
        return None
    if stack.status == REVIEWED:  # it has no template yet, but the change sets that wait for their execution
        sets = account.client("cloudformation").list_change_sets(StackName=stack.name)["Summaries"]
        if all(each["ChangeSetName"].startswith(CHANGE_SET) for each in sets):
            return stack
        raise UsageError(f"Stack {name} waits for a change set of somebody else's; it is left alone.")
    summary = account.client("cloudformation").get_template_summary(StackName=stack.name)
    if not summary.get("Description", "").startswith(OURS):
        met = f"Stack {name} is not of this project: its template's Description does not begin with {OURS!r}"
        raise UsageError(f"{met}.")
    if ("Pipeline" in {each["ParameterKey"] for each in summary["Parameters"]}) != workers:
        kind = "a pipeline" if workers else "a stack of workers"
        raise UsageError(f"Stack {name} is {kind}; --name wants the pipeline's name.")
    return stack


def refuse_unless_ready(account: Account, stack: Found | None) -> None:
    """Whether a stack can be deployed to.

    Raises:
        UsageError: somebody is at work on it, or it is stuck; says what to do.
    """
    if stack is None or stack.is_shell:
        return
    if stack.is_busy:
        met = f"Stack {stack.name} is {stack.status} since {stack.changed}: another deployment is under way"
        raise UsageError(f"{met}. Wait until `status` says that it has ended.")
    if stack.status in STUCK:
        advice = STUCK[stack.status].format(region=account.region, name=stack.name)
        reason = f" ({stack.reason})" if stack.reason else ""
        raise UsageError(f"Stack {stack.name} is {stack.status}{reason}: {advice}.")


def remove(account: Account, stack: Found) -> None:
    """Delete a stack and wait until it is gone.

    Raises:
        Failed: it stays; says what held it up.
    """
    seen = events_so_far(account, stack.id)
    account.client("cloudformation").delete_stack(StackName=stack.id)
    wait(account, stack.id, seen, {"DELETE_COMPLETE"})


def events_so_far(account: Account, stack_id: str) -> set[str]:
    """The id of a stack's newest event, to tell later ones from it."""
    return {each["EventId"] for each in itertools.islice(_events(account, stack_id), 1)}


def wait(account: Account, stack_id: str, seen: set[str], good: set[str]) -> Found | None:
    """Print what happens to a stack until CloudFormation is done with it.

    Args:
        account: where.
        stack_id: its ARN.
        seen: ids of events that were there before.
        good: the statuses that are a success.

    Returns:
        The stack; None if it is gone.

    Raises:
        Failed: it ended otherwise.
        Interrupted: Ctrl-C.
    """
    name = stack_id.split("/")[1]
    pause_s, deadline = FIRST_PAUSE_S, time.monotonic() + PATIENCE_S
    failures: list[str] = []
    try:
        while True:
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
            stack = find(account, stack_id)
            for event in _fresh(account, stack_id, seen):
                _tell(event, failures)
            if stack is None or not stack.is_busy:
                break
            if time.monotonic() > deadline:
                raise Failed(f"{name} is still {stack.status} after {PATIENCE_S // 60} minutes; see `status`.")
    except KeyboardInterrupt as error:
        met = f"stopped waiting; CloudFormation goes on with {name}, and `status` tells how far."
        raise Interrupted(met) from error
    status = "DELETE_COMPLETE" if stack is None else stack.status
    if status not in good:
        first = f" First it failed at {failures[0]}" if failures else ""
        raise Failed(f"{name} is {status}.{first}")
    return stack


def _events(account: Account, stack_id: str) -> Iterator[dict[str, Any]]:
    """All events, the newest first; asked for page by page, as far as somebody reads."""
    pages = account.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack_id)
    try:
        for page in pages:
            yield from page["StackEvents"]
    except ClientError as error:
        if "does not exist" not in code_and_text(error)[1]:
            raise


def _fresh(account: Account, stack_id: str, seen: set[str]) -> list[dict[str, Any]]:
    """The events since the last look, the oldest first; they may be more than one page."""
    found = list(itertools.takewhile(lambda each: each["EventId"] not in seen, _events(account, stack_id)))
    seen |= {each["EventId"] for each in found}
    return found[::-1]


def _tell(event: dict[str, Any], failures: list[str]) -> None:
    status, reason = event["ResourceStatus"], printable(event.get("ResourceStatusReason", ""))
    what = f"{event['LogicalResourceId']} ({event.get('ResourceType', '')})"
    if status.endswith("_FAILED"):
        failures.append(f"{what}: {reason}")
    if not status.endswith("_IN_PROGRESS"):
        print(f"   {status:24} {what}{': ' + reason if reason and status.endswith('_FAILED') else ''}", flush=True)
