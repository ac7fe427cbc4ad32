"""`teardown`: take both stacks away, the workers' first. What holds patients' data stays."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from deploy.aws.commands import code_bucket, stacks
from deploy.aws.commands.account import Account
from deploy.aws.commands.stack_templates import parsed
from deploy.aws.commands.template_values import Filled
from oncoserve.cli.client.client_errors import EXIT_FINE

GONE_WITH: Mapping[str, str] = {  # how what stays is deleted by hand
    "AWS::S3::Bucket": "aws s3 rb --force s3://{id}",
    "AWS::DynamoDB::Table": "aws dynamodb delete-table --region {region} --table-name {id}",
    "AWS::KMS::Key": "aws kms schedule-key-deletion --region {region} --key-id {id} --pending-window-in-days 30",
    "AWS::Logs::LogGroup": "aws logs delete-log-group --region {region} --log-group-name {id}",
}


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
    names = {stacks.workers_of(given.name): True, given.name: False}
    found = [stacks.ours(account, name, workers=workers) for name, workers in names.items()]
    present = [stack for stack in found if stack is not None]
    for stack in present:
        if stack.is_busy and stack.status != "DELETE_IN_PROGRESS":
            stacks.refuse_unless_ready(account, stack)
    bucket = code_bucket.bucket_name(account, given.name)
    has_bucket = code_bucket.is_there(account, bucket)
    if not present and not has_bucket:
        print("There is nothing to take away.")
        return EXIT_FINE
    if not given.yes:
        print("Dry run: nothing is changed. The same command with --yes does what follows.")
    staying = [each for stack in present for each in _describe(account, stack)]
    if has_bucket:
        print(f"Code bucket {bucket}: goes, with all packages in it. Images in ECR stay.")
    if given.yes:
        for stack in present:
            print(f"Deleting {stack.name} ...", flush=True)
            stacks.remove(account, stack)
        if has_bucket:
            code_bucket.remove_bucket(account, bucket)
    _tell_staying(account, staying)
    if not given.yes:
        print("Dry run: nothing was changed.")
    return EXIT_FINE


def _describe(account: Account, stack: stacks.Found) -> list[tuple[str, str]]:
    """Say what of a stack goes.

    Returns:
        What stays: its type and its id.
    """
    if stack.is_shell:
        print(f"Stack {stack.name}: goes; it is {stack.status}, a name without anything that works behind it.")
    cloudformation = account.client("cloudformation")
    retained = set() if stack.status == stacks.REVIEWED else _retained(cloudformation, stack)
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack.id)
    resources = [each for page in pages for each in page["StackResourceSummaries"]]
    there = [each for each in resources if each["ResourceStatus"] != "DELETE_COMPLETE"]
    there = [each for each in there if each.get("PhysicalResourceId")]
    stays = [each for each in there if each["LogicalResourceId"] in retained]
    if not stack.is_shell:
        number = len(there) - len(stays)
        queues = sum(each["ResourceType"] == "AWS::SQS::Queue" for each in there)
        waiting = f", and what waits in its {queues} queues" if queues else ""
        print(f"Stack {stack.name} ({stack.status}): goes, {number} resources{waiting}.")
    return [(each["ResourceType"], each["PhysicalResourceId"]) for each in stays]


def _retained(cloudformation: Any, stack: stacks.Found) -> set[str]:  # noqa: ANN401 - see Account.client
    """The names of the resources that the deployed template keeps."""
    body = cloudformation.get_template(StackName=stack.id, TemplateStage="Original")["TemplateBody"]
    document = body if isinstance(body, dict) else parsed(body)
    resources = Filled(document, stack.parameters).resources() if "Resources" in document else {}
    return {name for name, each in resources.items() if str(each.get("DeletionPolicy", "")).startswith("Retain")}


def _tell_staying(account: Account, staying: list[tuple[str, str]]) -> None:
    if not staying:
        return
    print("Stays, since it holds patients' data or opens it. Once nobody needs it:")
    for kind, name in staying:
        how = GONE_WITH.get(kind, "")
        print(f"   {kind} {name}{': ' if how else ''}{how.format(id=name, region=account.region)}")
    if "AWS::KMS::Key" in {kind for kind, _ in staying}:
        print("   The key last: what it has encrypted cannot be read any more once it is gone.")
