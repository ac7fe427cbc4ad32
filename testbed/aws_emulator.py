"""ministack, an emulator of AWS that runs Lambda functions and checks signatures and policies; and stacks on it."""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from botocore.session import get_session

from deploy.aws import package
from testbed.aws_environment import environment, own_packages
from testbed.aws_template import parts, read_template
from testbed.failures import StackFailed
from testbed.servers import DEAD_PROXY, Server, free_port

REGION: Final = "eu-central-1"
ACCOUNT: Final = "000000000000"
KEY: Final = "test"
ROOT: Final = MappingProxyType({"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_DEFAULT_REGION": REGION})
REGISTRY: Final = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
CREATE_TIMEOUT_S: Final = 240
# What the emulator has no resources of: left out, and whoever names one is given its name in the template.
UNKNOWN: Final = frozenset({"AWS::WAFv2::IPSet", "AWS::WAFv2::WebACLAssociation"})
STORAGE: Final = frozenset({"Key", "Bucket", "Table", "Topic", "Fn::ForEach::Queues"})


class Emulator(Server):
    """The emulator on a free port of 127.0.0.1. It forgets everything when it stops.

    Args:
        folder: Gets its log and what it writes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {
            "AUTH": "true",  # IAM policies are evaluated, and signatures checked
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",
            "MINISTACK_REGION": REGION,
            "SFTP_ENABLED": "0",
            "TMPDIR": str(folder),
            "PYTHONPATH": "",
        }
        self._session = get_session()
        self._clients: dict[str, Any] = {}
        super().__init__(
            [str(environment() / "python"), "-m", "ministack"],
            f"{self.url}/_ministack/health",
            {**settings, **ROOT, **dict.fromkeys(DEAD_PROXY, "")},  # in AWS nobody gives functions a proxy
            folder / "emulator.log",
        )

    def client(self, service: str) -> Any:  # noqa: ANN401 - botocore makes the methods of its clients at run time
        """The account's root's client of a service, such as "s3"; the same one each time."""
        if service not in self._clients:
            self._clients[service] = self._session.create_client(
                service,
                region_name=REGION,
                endpoint_url=self.url,
                aws_access_key_id=KEY,
                aws_secret_access_key=KEY,
            )
        return self._clients[service]

    def role(self, arn: str) -> dict[str, str]:
        """Credentials of a role, for the environment of a process."""
        given = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
            "AWS_DEFAULT_REGION": REGION,
        }


class Stack:
    """The stacks of the project's templates, up to what an emulator without TLS cannot do: pipeline and workers on EC2.

    Args:
        emulator: Where.
        name: The pipeline's; that of the workers is `<name>-workers`.
        models: Names of models, by their names in the template; the template's own when left out.
        storage_only: Make what jobs are kept in, without functions, roles and workers.
        workers: The template of what computes and its parameters, less `Pipeline`; those on EC2 when left out.
        parameters: More of the pipeline's parameters.

    Attributes:
        outputs: The stacks', by name.

    Raises:
        StackFailed: It cannot be made.
    """

    def __init__(
        self,
        emulator: Emulator,
        name: str,
        models: Mapping[str, str] | None = None,
        *,
        storage_only: bool = False,
        workers: tuple[dict[str, Any], dict[str, str]] | None = None,
        **parameters: str,
    ) -> None:
        self.emulator, self.name = emulator, name
        template = read_template("pipeline")
        if models is not None:
            line = template["Mappings"]["Models"]["BrainMri"]
            template["Mappings"]["Models"] = {key: line | {"Name": model} for key, model in models.items()}
            parameters["Models"] = ",".join(models)
        _fit(template["Resources"])
        self.outputs: dict[str, str] = {}
        self.names = [name]
        if storage_only:
            _leave(template, STORAGE)
            self._create(name, template, parameters)
            return
        code = self._package()
        self._create(name, template, code | parameters)
        self.names.append(f"{name}-workers")
        computing, more = workers or self._on_ec2()
        own = {key: value for key, value in (code | more).items() if key in computing["Parameters"]}
        self._create(self.names[-1], computing, {"Pipeline": name} | own)

    @property
    def _cloudformation(self) -> Any:  # noqa: ANN401 - see Emulator.client
        return self.emulator.client("cloudformation")

    @property
    def settings(self) -> dict[str, str]:
        """ONCO_* without the prefix, in lower case, of whoever works with this stack."""
        return {
            "jobs": "aws",
            "aws_bucket": self.outputs["BucketName"],
            "aws_table": self.outputs["TableName"],
            "aws_topic": self.outputs["TopicArn"],
            "aws_queue_prefix": f"{self.name}-",
            "aws_endpoint_url": self.emulator.url,
        }

    def resource(self, name: str) -> str:
        """The physical id of a resource, whichever of the stacks it is in."""
        for stack in self.names:
            for each in self._cloudformation.describe_stack_resources(StackName=stack)["StackResources"]:
                if each["LogicalResourceId"] == name:
                    return str(each["PhysicalResourceId"])
        raise KeyError(name)

    def arn(self, queue: str) -> str:
        """The ARN of a queue by its name in the template."""
        name = self.resource(queue).rsplit("/", 1)[-1]
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def queue(self, model: str) -> str:
        """A queue's address."""
        return str(self.emulator.client("sqs").get_queue_url(QueueName=f"{self.name}-{model}")["QueueUrl"])

    def _create(self, name: str, template: dict[str, Any], parameters: Mapping[str, str]) -> None:
        self._cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        deadline = time.monotonic() + CREATE_TIMEOUT_S
        status = "CREATE_IN_PROGRESS"
        while status.endswith("IN_PROGRESS"):
            if time.monotonic() >= deadline:
                raise StackFailed(f"{name} is still {status} after {CREATE_TIMEOUT_S} s")
            time.sleep(0.05)
            described = self._cloudformation.describe_stacks(StackName=name)["Stacks"][0]
            status = described["StackStatus"]
        if status != "CREATE_COMPLETE":
            events = self._cloudformation.describe_stack_events(StackName=name)["StackEvents"]
            failed = [each for each in events if "FAILED" in each["ResourceStatus"]]
            raise StackFailed(f"{name} is {status}: {failed}")
        self.outputs |= {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}

    def _package(self) -> dict[str, str]:
        """What the pipeline wants to be there: the functions' package."""
        s3 = self.emulator.client("s3")
        if "code" not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
            # The emulator runs functions with its own Python, which is this one: it gets the packages for that.
            path = self.emulator.folder / "package.zip"
            package.write(path, own_packages())
            s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
            s3.put_object(Bucket="code", Key="package.zip", Body=path.read_bytes())
        return {"AllowedCidrs": "127.0.0.0/8", "CodeBucket": "code", "CodeKey": "package.zip"}

    def _on_ec2(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The template of workers on EC2, and its parameters."""
        template = read_template("ec2")
        _without_metric_math(template["Resources"])
        return template, self._surroundings()

    def _surroundings(self) -> dict[str, str]:
        """What the workers want to be there: a network and images."""
        ec2 = self.emulator.client("ec2")
        return {
            "TritonImage": f"{REGISTRY}/oncoserve-triton@sha256:{64 * '0'}",
            "WorkerImage": f"{REGISTRY}/oncoserve-worker@sha256:{64 * '1'}",
            "VpcId": ec2.describe_vpcs()["Vpcs"][0]["VpcId"],
            "SubnetIds": ",".join(each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]),
            "MinWorkers": "0",
        }


@contextlib.contextmanager
def storage(folder: Path, model: str) -> Iterator[dict[str, str]]:
    """An emulator with what jobs of one model are kept in.

    Args:
        folder: Gets what the emulator writes.
        model: Its name.

    Yields:
        The environment of whoever works with it.
    """
    with Emulator(folder) as emulator:
        stack = Stack(emulator, "load", {"Model": model}, storage_only=True)
        yield {**ROOT, **{f"ONCO_{name.upper()}": value for name, value in stack.settings.items()}}


def _fit(resources: dict[str, Any]) -> None:
    """Change what the emulator does otherwise than AWS."""
    left_out: set[str] = set()
    for part in parts(resources):
        _let_in(part)
        for name, resource in list(part.items()):
            if isinstance(resource, dict) and resource["Type"] in UNKNOWN:
                del part[name]
                left_out.add(name)
    _name(resources, left_out)
    # The emulator takes a REST API's authoriser for unasked where its cache's key has the caller's address.
    resources["RestAuthoriser"]["Properties"]["IdentitySource"] = "method.request.header.X-API-Key"
    policy = resources["FrontendRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    for statement in policy["Statement"]:
        # It allows batches too; the emulator wants an action of its own for them.
        if statement.get("Action") == "sns:Publish":
            statement["Action"] = ["sns:Publish", "sns:PublishBatch"]


def _name(part: Any, names: Set[str]) -> None:  # noqa: ANN401 - any part of a document
    """Put in the names of what was left out, where their ARNs are asked for."""
    for key, each in list(part.items() if isinstance(part, dict) else enumerate(part)):
        if each in [{"Fn::GetAtt": [name, "Arn"]} for name in names]:
            part[key] = each["Fn::GetAtt"][0]
        elif isinstance(each, dict | list):
            _name(each, names)


def _let_in(resources: dict[str, Any]) -> None:
    """Take out the statements that let nobody in without TLS, which the emulator is asked without."""
    for name, resource in list(resources.items()):
        policy = resource["Properties"].get("PolicyDocument") if isinstance(resource, dict) else None
        if policy is not None:
            policy["Statement"] = [each for each in policy["Statement"] if each.get("Sid") != "TlsOnly"]
            if not policy["Statement"]:
                del resources[name]


def _without_metric_math(resources: dict[str, Any]) -> None:
    """Take out the alarms on more than one metric, which the emulator does not know; a simulation plays them."""
    for name, resource in list(resources.items()):
        if isinstance(resource, list):
            _without_metric_math(resource[2])
        elif resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]:
            del resources[name]


def _leave(template: dict[str, Any], resources: Set[str]) -> None:
    """Take out all other resources, and what speaks of them."""
    template["Resources"] = {key: value for key, value in template["Resources"].items() if key in resources}
    template["Parameters"] = {key: value for key, value in template["Parameters"].items() if "Default" in value}
    outputs = template["Outputs"].items()
    template["Outputs"] = {key: value for key, value in outputs if _named(value["Value"]) in resources}


def _named(value: Mapping[str, Any]) -> str:
    """The resource that an output speaks of: of a Ref or a GetAtt."""
    return str(value.get("Ref") or value.get("Fn::GetAtt", [""])[0])
