"""Change sets: what CloudFormation would do with a stack, shown before it does it."""

import secrets
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.aws.commands.account import Account, Failed, code_and_text
from deploy.aws.commands.stack_templates import Template
from deploy.aws.commands.stacks import CHANGE_SET, REVIEWED, Found, events_so_far, find, remove, wait
from oncoserve.cli.client.client_errors import UsageError
from oncoserve.cli.client.printing import printable

PAUSE_S, PATIENCE_S = 0.5, 600
CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")  # roles; loops
NOTHING = ("didn't contain changes", "No updates are to be performed")
GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
LOUD: Mapping[str, str] = {"True": "  <- its present one goes", "Conditional": "  <- its present one may go"}
OVERTAKEN = frozenset({"ChangeSetNotFound", "InvalidChangeSetStatus", "ChangeSetNotFoundException"})


@dataclass(frozen=True)
class Proposal:
    """A change set that is there, and can be executed or taken back.

    Attributes:
        id: its ARN.
        stack: the stack's name.
        stack_id: the stack's ARN.
        is_new: whether the stack was made for it.
        changes: CloudFormation's, one a resource.
    """

    id: str
    stack: str
    stack_id: str
    is_new: bool
    changes: tuple[Mapping[str, Any], ...]


def propose(
    account: Account, template: Template, name: str, values: Mapping[str, str], kept: Iterable[str], *, is_new: bool
) -> Proposal | None:
    """Ask what would change.

    Args:
        account: where.
        template: the stack's.
        name: the stack's.
        values: by parameter.
        kept: parameters that stay as the stack has them.
        is_new: whether there is no stack yet; one without anything in it is made then.

    Returns:
        None if nothing would change.

    Raises:
        Failed: CloudFormation refuses it; nothing of it is left.
    """
    cloudformation = account.client("cloudformation")
    parameters: list[dict[str, Any]] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in values.items() if key in template.parameters
    ]
    parameters += [{"ParameterKey": key, "UsePreviousValue": True} for key in kept]
    made = cloudformation.create_change_set(
        StackName=name,
        # Nobody else has this name: another deployment at the same time has a change set of its own.
        ChangeSetName=f"{CHANGE_SET}{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}",
        ChangeSetType="CREATE" if is_new else "UPDATE",
        TemplateBody=template.body,
        Parameters=parameters,
        Capabilities=CAPABILITIES,
    )
    found = _described(cloudformation, made["Id"], name)
    proposal = Proposal(made["Id"], name, made["StackId"], is_new, tuple(found["Changes"]))
    if found["Status"] == "CREATE_COMPLETE":
        return proposal
    reason = printable(found.get("StatusReason", ""))
    discard(account, proposal)
    if any(words in reason for words in NOTHING):
        return None
    raise Failed(f"CloudFormation cannot change {name}: {reason or found['Status']}")


def execute(account: Account, proposal: Proposal) -> Found:
    """Do it, and print what happens.

    Raises:
        Failed: it did not succeed; CloudFormation has taken back what it did.
        UsageError: somebody else has changed the stack meanwhile.
    """
    seen = events_so_far(account, proposal.stack_id)
    try:
        account.client("cloudformation").execute_change_set(ChangeSetName=proposal.id, StackName=proposal.stack)
    except ClientError as error:
        code, text = code_and_text(error)
        if code in OVERTAKEN or "_IN_PROGRESS" in text:
            met = f"Somebody else is changing {proposal.stack} ({text}); deploy again after them."
            raise UsageError(met) from error
        raise
    stack = wait(account, proposal.stack_id, seen, set(GOOD))
    if stack is None:
        raise Failed(f"{proposal.stack} is gone: somebody else has deleted it.")
    return stack


def discard(account: Account, proposal: Proposal) -> None:
    """Take a change set back, and the empty stack that was made for it."""
    cloudformation = account.client("cloudformation")
    cloudformation.delete_change_set(ChangeSetName=proposal.id, StackName=proposal.stack)
    stack = find(account, proposal.stack_id) if proposal.is_new else None
    if stack is not None and stack.status == REVIEWED:
        others = cloudformation.list_change_sets(StackName=proposal.stack)["Summaries"]
        if all(each["ChangeSetId"] == proposal.id for each in others):  # else another deployment needs it
            remove(account, stack)


def print_changes(proposal: Proposal) -> None:
    """One line a resource; what is replaced or removed stands out."""
    for change in proposal.changes:
        each = change.get("ResourceChange", {})
        action = each.get("Action", "")
        loud = "True" if action == "Remove" else each.get("Replacement", "")
        print(f"   {action:8} {each.get('LogicalResourceId', '')} ({each.get('ResourceType', '')}){LOUD.get(loud, '')}")


def print_resources(resources: Mapping[str, Mapping[str, Any]]) -> None:
    """What a new stack would have, by type."""
    for kind, count in sorted(Counter(str(each["Type"]) for each in resources.values()).items()):
        print(f"   Add {count:3} x {kind}")


def _described(cloudformation: Any, change_set: str, stack: str) -> dict[str, Any]:  # noqa: ANN401 - see Account.client
    """A change set with all its changes, once it is made."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found: dict[str, Any] = cloudformation.describe_change_set(ChangeSetName=change_set, StackName=stack)
        if found["Status"] not in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
            break
        if time.monotonic() > deadline:
            raise Failed(f"The change set of {stack} is still {found['Status']} after {PATIENCE_S} s.")
        time.sleep(PAUSE_S)
    changes, token = list(found.get("Changes", [])), found.get("NextToken")
    while token:
        page = cloudformation.describe_change_set(ChangeSetName=change_set, StackName=stack, NextToken=token)
        changes += page.get("Changes", [])
        token = page.get("NextToken")
    return found | {"Changes": changes}
