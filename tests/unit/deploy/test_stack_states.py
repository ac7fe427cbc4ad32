"""Stacks in states that the emulator does not come into: it fails no update, and no rollback."""

from types import SimpleNamespace

import pytest

from deploy.aws.commands.dead_letters import escaped
from deploy.aws.commands.stacks import STUCK, Found, refuse_unless_ready
from oncoserve.cli.client.client_errors import UsageError

ACCOUNT = SimpleNamespace(region="eu-central-1")


def stack(status):
    return Found("clinic", "arn", status, "why", "", {}, {}, "2026-11-27 15:00 UTC")


@pytest.mark.parametrize("status", STUCK)
def test_a_stuck_stack_is_refused_with_what_to_do(status):
    with pytest.raises(UsageError, match=rf"Stack clinic is {status} \(why\): .*`|in the console"):
        refuse_unless_ready(ACCOUNT, stack(status))


def test_what_to_do_names_region_and_stack():
    with pytest.raises(UsageError, match="--region eu-central-1 --stack-name clinic`"):
        refuse_unless_ready(ACCOUNT, stack("UPDATE_ROLLBACK_FAILED"))


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "DELETE_IN_PROGRESS"])
def test_a_stack_that_somebody_is_at_work_on_is_refused(status):
    with pytest.raises(UsageError, match="since 2026-11-27 15:00 UTC: another deployment is under way"):
        refuse_unless_ready(ACCOUNT, stack(status))


@pytest.mark.parametrize(
    "status", ["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"]
)
def test_any_other_can_be_deployed_to(status):
    refuse_unless_ready(ACCOUNT, stack(status))
    refuse_unless_ready(ACCOUNT, None)


def test_text_of_others_is_one_short_line_without_commands():
    assert escaped("a\x1b[31m\nb\u202ec\x00", 100) == "a\\u001b[31m\\u000ab\\u202ec\\u0000"
    assert escaped("grün", 100) == "grün"
    assert escaped("x" * 30, 10) == f"{'x' * 10}... (30 characters)"
    assert escaped("\ud800\U000e0001", 100).isprintable()
