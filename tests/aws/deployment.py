"""Runs `python -m deploy.aws` on the emulator as an operator does, with templates that the emulator can do."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from deploy.aws import package
from testbed import aws_emulator
from testbed.aws_emulator import ROOT, Emulator
from testbed.aws_environment import own_packages
from testbed.aws_template import TEMPLATES, read_template
from testbed.servers import DEAD_PROXY, PROJECT

REPOSITORIES = ("oncoserve-triton", "oncoserve-worker")


@dataclass
class Ran:
    code: int
    out: str
    err: str


class Operator:
    """Somebody with a terminal.

    Args:
        emulator: their account.
        folder: gets the templates and the functions' package.
    """

    def __init__(self, emulator: Emulator, folder):
        self.emulator, self.folder = emulator, folder
        for path in TEMPLATES.glob("*.yaml"):
            template = read_template(path.stem)
            if path.stem == "pipeline":
                aws_emulator._fit(template["Resources"])
            else:
                aws_emulator._without_metric_math(template["Resources"])
            (folder / path.name).write_text(json.dumps(template))
        self.package = folder / "package.zip"
        package.write(self.package, own_packages())
        ecr = emulator.client("ecr")
        for name in REPOSITORIES:
            ecr.create_repository(repositoryName=name)
            ecr.put_image(repositoryName=name, imageManifest=json.dumps({"name": name}), imageTag="1")

    def environment(self, **more):
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("ONCO_", "AWS_"))}
        return {**inherited, **ROOT, **DEAD_PROXY, "AWS_ENDPOINT_URL": self.emulator.url, **more}

    def command(self, *arguments):
        return [sys.executable, "-m", "deploy.aws", *arguments]

    def run(self, *arguments, **environment):
        done = subprocess.run(
            self.command(*arguments),
            cwd=PROJECT,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    def deploy(self, name, *arguments, **environment):
        """With all that has to be said."""
        given = ["deploy", "--name", name, "--templates", str(self.folder), "--package", str(self.package)]
        given += ["--parameter", "AllowedCidrs=127.0.0.0/8", *arguments]
        return self.run(*given, **environment)

    def network(self):
        ec2 = self.emulator.client("ec2")
        subnets = ",".join(each["SubnetId"] for each in ec2.describe_subnets()["Subnets"])
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        return ["--parameter", f"VpcId={vpc}", "--parameter", f"SubnetIds={subnets}"]

    def images(self):
        """Images in ECR, by their tags."""
        return ["--triton-image", "oncoserve-triton:1", "--worker-image", "oncoserve-worker:1"]

    def digest(self, repository):
        found = self.emulator.client("ecr").describe_images(repositoryName=repository, imageIds=[{"imageTag": "1"}])
        return found["imageDetails"][0]["imageDigest"]

    def stacks(self):
        """Names and statuses."""
        found = self.emulator.client("cloudformation").describe_stacks()["Stacks"]
        return {each["StackName"]: each["StackStatus"] for each in found}

    def everything(self):
        """What a dry run must leave as it is."""
        client = self.emulator.client
        buckets = [each["Name"] for each in client("s3").list_buckets()["Buckets"]]
        keys = {
            bucket: [each["Key"] for each in client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]
            for bucket in buckets
        }
        cloudformation = client("cloudformation")
        sets = {
            name: [each["ChangeSetName"] for each in cloudformation.list_change_sets(StackName=name)["Summaries"]]
            for name in self.stacks()
        }
        repositories = [each["repositoryName"] for each in client("ecr").describe_repositories()["repositories"]]
        return self.stacks(), keys, sets, repositories
