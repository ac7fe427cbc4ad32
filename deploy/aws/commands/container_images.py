"""Images of containers: which one a tag means at the moment, and how new ones are built and pushed."""

import base64
import contextlib
import re
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from deploy.aws.commands.account import Account, Failed, code_and_text
from deploy.aws.commands.stack_templates import FOLDER
from oncoserve.cli.client.client_errors import UsageError
from oncoserve.cli.client.printing import printable

PROJECT = FOLDER.parents[1]
IMAGE = re.compile(
    r"(?:(?P<host>[^/\s]+\.[^/\s]+)/)?(?P<repository>[^:@\s]+)(?::(?P<tag>[^@\s]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")
PLATFORM = "linux/amd64"  # the real Triton in them is built for no other


@dataclass(frozen=True)
class Build:
    """One image that is to be built.

    Attributes:
        parameter: of a template that takes it, such as TritonImage.
        target: of the Dockerfile.
        repository: its name in ECR.
        tag: of this build, which no other has.
    """

    parameter: str
    target: str
    repository: str
    tag: str

    def reference(self, account: Account) -> str:
        """Where it is pushed to."""
        return f"{registry(account)}/{self.repository}:{self.tag}"

    def commands(self, account: Account) -> list[list[str]]:
        """What builds and pushes it."""
        where = self.reference(account)
        build = ["docker", "build", "--platform", PLATFORM, "--target", self.target, "--tag", where, str(PROJECT)]
        return [build, ["docker", "push", where]]


def registry(account: Account) -> str:
    """The host of this account's images."""
    ending = ".cn" if account.partition == "aws-cn" else ""
    return f"{account.id}.dkr.ecr.{account.region}.amazonaws.com{ending}"


def builds(name: str, parameters: Sequence[str]) -> list[Build]:
    """The images that parameters take, to be built now: TritonImage is the target `triton`, and so on."""
    tag = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    targets = {each: each.removesuffix("Image").lower() for each in parameters}
    return [Build(parameter, target, f"{name}-{target}", tag) for parameter, target in targets.items()]


def build(account: Account, one: Build) -> None:
    """Make the repository if it is missing, build the image and push it.

    Raises:
        Failed: Docker did not succeed.
        UsageError: there is no Docker.
    """
    ecr = account.client("ecr")
    with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(
            repositoryName=one.repository,
            imageTagMutability="IMMUTABLE",
            imageScanningConfiguration={"scanOnPush": True},
        )
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    _run(["docker", "login", "--username", user, "--password-stdin", registry(account)], password)
    for command in one.commands(account):
        _run(command)


def by_digest(account: Account, image: str) -> str:
    """The image by its digest, which stays the same whatever its tag is given to later.

    Args:
        account: whose registry is meant where the image names none.
        image: as `repository:tag`, with or without a registry before it, or with a digest.

    Raises:
        UsageError: there is none, or nobody can say which it is.
    """
    found = IMAGE.fullmatch(image)
    if found is None:
        raise UsageError(f"{printable(image)} is no image: expected REPOSITORY:TAG or REPOSITORY@sha256:...")
    host, repository = found["host"] or registry(account), found["repository"]
    place = ECR.fullmatch(host)
    if place is None or place["region"] != account.region:
        if found["digest"]:
            return f"{host}/{repository}@{found['digest']}"
        raise UsageError(f"{image} is not in this region's ECR: name it by its digest, {host}/{repository}@sha256:...")
    if not (found["tag"] or found["digest"]):
        raise UsageError(f"{image} has no tag: which of its images is meant?")
    which = {"imageDigest": found["digest"]} if found["digest"] else {"imageTag": found["tag"]}
    unknown = f"There is no image {image} in ECR; --build makes and pushes it."
    try:
        described = account.client("ecr").describe_images(
            registryId=place["account"], repositoryName=repository, imageIds=[which]
        )["imageDetails"]
    except ClientError as error:
        code, _ = code_and_text(error)
        if code in {"ImageNotFoundException", "RepositoryNotFoundException"}:
            raise UsageError(unknown) from error
        raise
    if not described:  # an emulator's way of saying so
        raise UsageError(unknown)
    return f"{host}/{repository}@{described[0]['imageDigest']}"


def shown(command: Sequence[str]) -> str:
    """A command as it is typed."""
    return shlex.join(command)


def _run(command: Sequence[str], secret: str | None = None) -> None:
    print(f"   $ {shown(command)}", flush=True)
    try:
        done = subprocess.run(command, input=secret, text=True, check=False)  # noqa: S603 - ours
    except FileNotFoundError as error:
        raise UsageError("There is no `docker` here; build the images where there is one, and name them.") from error
    if done.returncode:
        raise Failed(f"`{shown(command)}` ended with {done.returncode}.")
