"""`deploy`: what is there afterwards, step by step, and what it costs while nobody asks."""

import shutil
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from pathlib import Path

from botocore.exceptions import ClientError

from deploy.aws.commands import change_sets, code_bucket, container_images, idle_cost, stacks
from deploy.aws.commands.account import Account, Failed
from deploy.aws.commands.stack_templates import FOLDER, Template, check, described, missing
from deploy.aws.commands.template_values import Filled, values_of_the_door
from oncoserve.cli.client.client_errors import EXIT_FINE, UsageError
from oncoserve.keys import KeyFileError, read_keys

KEYS = "config/api_keys"  # where the authoriser looks for them
WORKERS = ("ec2", "sagemaker", "none")
IMAGES = ("TritonImage", "WorkerImage", "SageMakerImage")
OWN = frozenset({"Pipeline", "CodeBucket", "CodeKey"})  # the deployment says these itself


def add_options(parser: ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "--workers", choices=WORKERS, default="ec2", help="what computes; none leaves that stack alone. Default: ec2"
    )
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=_assignment,
        metavar="KEY=VALUE",
        help="of the templates, any number; @FILE as the value is what is in the file. What a stack has already stays",
    )
    for parameter in IMAGES:
        name = parameter.removesuffix("Image").lower()
        words = f"the same as --parameter {parameter}=...: a tag in ECR or a digest"
        parser.add_argument(f"--{name}-image", dest=parameter, metavar="IMAGE", help=words)
    parser.add_argument("--build", action="store_true", help="build the workers' images, and push them to ECR")
    parser.add_argument("--package", type=Path, metavar="ZIP", help="a package of the functions that was built before")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="replace the stack's API keys by those of a key file")
    parser.add_argument("--templates", type=Path, default=FOLDER, metavar="FOLDER", help="templates of your own")


def main(given: Namespace) -> int:
    """Run the command.

    Raises:
        ClientError: it cannot go on.
    """
    pipeline = Template.read(given.templates / "pipeline.yaml")
    workers = None if given.workers == "none" else Template.read(given.templates / f"{given.workers}.yaml")
    values = dict(given.parameter) | {key: getattr(given, key) for key in IMAGES if getattr(given, key)}
    taken = sorted(OWN & values.keys())
    if taken:
        raise UsageError(f"{', '.join(taken)} cannot be given: the deployment makes and names them itself.")
    images = [] if workers is None else workers.images  # a tag is none of what the template takes; it becomes a digest
    templates = [pipeline] if workers is None else [pipeline, workers]
    check({key: value for key, value in values.items() if key not in images}, templates)
    if given.keys is not None:
        _key_names(given.keys)
    account = Account(given.region)
    print(f"{account.in_words}, name {given.name}")
    _Deployment(account, given, pipeline, workers, values).run()
    return EXIT_FINE


class _Deployment:
    """One run of the command, whose steps come in the order of the methods.

    Args:
        account: where.
        given: the options.
        pipeline: its template.
        workers: their template; None to leave them alone.
        values: parameters as given.
    """

    def __init__(
        self, account: Account, given: Namespace, pipeline: Template, workers: Template | None, values: dict[str, str]
    ) -> None:
        self._account, self._given, self._yes, self._name = account, given, given.yes, given.name
        self._templates = {given.name: pipeline}
        if workers is not None:
            self._templates[stacks.workers_of(given.name)] = workers
        self._values = values | {"Pipeline": given.name}
        self._images = [] if workers is None else workers.images
        wanted = [each for each in self._images if each not in values]
        self._builds = container_images.builds(self._name, wanted) if given.build else []
        self._found = {name: stacks.ours(account, name, workers=name != given.name) for name in self._templates}
        self._bucket_name = code_bucket.bucket_name(account, given.name)
        self._package = None if given.package is None else code_bucket.read(given.package)
        self._steps = 0
        self._refuse_early()
        for parameter in set(self._images) & set(values):
            self._values[parameter] = container_images.by_digest(account, values[parameter])

    def run(self) -> None:
        """All steps."""
        if not self._yes:
            print("Dry run: nothing is changed. The same command with --yes does what follows.")
        self._bucket()
        self._code()
        self._containers()
        for name in self._templates:
            self._stack(name)
        self._keys()
        self._end()

    def _refuse_early(self) -> None:
        """All that can be known to go wrong, before anything is done."""
        if self._builds and shutil.which("docker") is None:
            raise UsageError("There is no `docker` here; build the images where there is one, and name them.")
        for name, template in self._templates.items():
            stack = self._found[name]
            stacks.refuse_unless_ready(self._account, stack)
            kept = self._kept(name)
            check({key: value for key, value in kept.items() if key not in template.images}, [template])
            known = {*self._values, *kept, *OWN, *(each.parameter for each in self._builds)}
            wanted = missing(template, known)
            if wanted:
                lines = "".join(f"\n  {key}: {described(template.parameters[key])}" for key in wanted)
                raise UsageError(f"{template.path.name} needs --parameter KEY=VALUE for:{lines}{self._hint(wanted)}")

    def _bucket(self) -> None:
        there = code_bucket.is_there(self._account, self._bucket_name)
        self._step(
            f"Code bucket {self._bucket_name}: {'is there; its settings are put right' if there else 'make it'}",
            "Lambda takes the functions' package from a bucket of its region. Private, encrypted, by TLS alone.",
        )
        if self._yes:
            code_bucket.make(self._account, self._bucket_name)

    def _code(self) -> None:
        version, processor = (self._effective(self._name).get(key, "") for key in ("PythonVersion", "Architecture"))
        built = "was built before" if self._given.package else "build it here from the locks"
        self._step(
            f"Functions' package for Python {version} on {processor or 'x86_64'}: {built}, and upload it",
            "Its key is its SHA-256, so the functions change if and only if their code does.",
        )
        self._values["CodeBucket"] = self._bucket_name
        if not (self._yes or self._exists(self._name)):
            self._values["CodeKey"] = "lambda/(its SHA-256).zip"
            return
        code = self._package or code_bucket.built(version, processor or "x86_64")
        self._values["CodeKey"] = code.key
        print(f"   {code.key}, {len(code.data) / 1e6:.1f} MB")
        if self._yes and not code_bucket.upload(self._account, self._bucket_name, code):
            print("   it was there already")

    def _containers(self) -> None:
        if not self._images:
            return
        self._step("Images of the workers: by their digests", "A tag can move to another image; a digest cannot.")
        for one in self._builds:
            if self._yes:
                container_images.build(self._account, one)
                self._values[one.parameter] = container_images.by_digest(self._account, one.reference(self._account))
            else:
                for command in one.commands(self._account):
                    print(f"   would run: {container_images.shown(command)}")
        for parameter in self._images:
            if parameter in self._values:
                print(f"   {parameter}={self._values[parameter]}")
            else:
                print(f"   {parameter}: {'to be built' if self._builds else 'stays as the stack has it'}")

    def _stack(self, name: str) -> None:
        template, stack = self._templates[name], self._found[name]
        self._values |= (own := values_of_the_door(self._account, template, self._effective(name), self._values))
        why = "What keeps jobs, and the API." if name == self._name else "What computes."
        if not self._exists(name):
            self._step(f"Stack {name} of {template.path.name}: make it", why)
            if stack is not None and stack.status != stacks.REVIEWED:
                print(f"   Its creation failed before ({stack.status}): what is left of that goes first.")
            change_sets.print_resources(self._resources(name))
        else:
            self._step(f"Stack {name} of {template.path.name}: bring it up to date", f"{why} CloudFormation would:")
        print("".join(f"   {key}={value}\n" for key, value in own.items()), end="")
        if self._yes:
            if stack is not None and stack.is_shell and stack.status != stacks.REVIEWED:
                stacks.remove(self._account, stack)
            self._change(name)
        elif self._exists(name):
            self._compare(name)

    def _change(self, name: str) -> None:
        proposal = self._proposal(name)
        if proposal is None:
            print("   nothing: it is up to date")
            self._found[name] = stacks.find(self._account, name)
            return
        if not proposal.is_new:
            change_sets.print_changes(proposal)
        self._found[name] = change_sets.execute(self._account, proposal)

    def _compare(self, name: str) -> None:
        try:
            proposal = self._proposal(name)
        except Failed as error:  # such as a value that only the other stack's change will bring
            print(f"   That cannot be said before the steps above are done. {error}")
            return
        if proposal is None:
            print("   change nothing: it is up to date")
            return
        change_sets.print_changes(proposal)
        change_sets.discard(self._account, proposal)

    def _proposal(self, name: str) -> change_sets.Proposal | None:
        kept, is_new = self._kept(name), not self._exists(name)
        return change_sets.propose(self._account, self._templates[name], name, self._values, kept, is_new=is_new)

    def _keys(self) -> None:
        path: Path | None = self._given.keys
        stack = self._found[self._name]
        bucket = stack.outputs.get("BucketName", "") if stack else ""
        where = f"s3://{bucket or '(bucket of the stack)'}/{KEYS}"
        if path is not None:
            names = ", ".join(sorted(_key_names(path))) or "nobody"
            self._step(f"API keys of {names}: upload {path} to {where}", "It replaces all keys that are there.")
            if self._yes:
                self._account.client("s3").put_object(Bucket=bucket, Key=KEYS, Body=path.read_bytes())
        elif not (bucket and self._have_keys(bucket)):
            self._step(f"API keys: there are none at {where}", "Without them every caller is refused.")
            print("   oncoserve keys new NAME --file api_keys    # prints the key once")
            print(f"   python -m deploy.aws deploy --name {self._name} --keys api_keys --yes [...]")

    def _have_keys(self, bucket: str) -> bool:
        try:
            self._account.client("s3").head_object(Bucket=bucket, Key=KEYS)
        except ClientError:
            return False
        return True

    def _end(self) -> None:
        costs = idle_cost.idle({key: each for name in self._templates for key, each in self._resources(name).items()})
        print("Cost while idle:")
        print(*idle_cost.in_lines(costs), sep="\n")
        for name in self._templates if self._yes else []:
            stack = self._found[name]
            for key, value in sorted(stack.outputs.items()) if stack else []:
                print(f"{name}: {key} = {value}")
        if not self._yes:
            print("Dry run: nothing was changed.")

    def _step(self, what: str, why: str) -> None:
        self._steps += 1
        print(f"{self._steps}. {what}\n   {why}", flush=True)

    def _exists(self, name: str) -> bool:
        stack = self._found[name]
        return stack is not None and not stack.is_shell

    def _kept(self, name: str) -> dict[str, str]:
        """What the stack has already, and nobody gives anew."""
        stack = self._found[name]
        if stack is None or stack.is_shell:
            return {}
        parameters, new = self._templates[name].parameters, {*self._values, *OWN}
        return {key: value for key, value in stack.parameters.items() if key in parameters and key not in new}

    def _effective(self, name: str) -> Mapping[str, str]:
        parameters = self._templates[name].parameters.items()
        defaults = {key: str(each["Default"]) for key, each in parameters if "Default" in each}
        return defaults | self._kept(name) | self._values

    def _resources(self, name: str) -> dict[str, dict[str, object]]:
        document = self._templates[name].document
        pseudo = {"AWS::Region": self._account.region, "AWS::AccountId": self._account.id, "AWS::StackName": name}
        return Filled(document, self._effective(name), pseudo).resources()

    def _hint(self, wanted: list[str]) -> str:
        named = "\nImages: --build makes and pushes them, or name them by --triton-image and the like."
        hint = named if set(wanted) & set(self._images) else ""
        if "VpcId" in wanted:
            vpcs = self._account.client("ec2").describe_vpcs()["Vpcs"]
            found = ", ".join(f"{each['VpcId']} ({each.get('CidrBlock', '')})" for each in vpcs) or "none"
            hint += f"\nVPCs of this region: {found}."
            hint += f" Subnets: `aws ec2 describe-subnets --region {self._account.region}`."
        return hint


def _key_names(path: Path) -> set[str]:
    try:
        return {each.name for each in read_keys(path)}
    except KeyFileError as error:
        raise UsageError(f"{error}.") from error


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    if not value.startswith("@"):
        return key, value
    try:
        return key, Path(value[1:]).read_text()
    except (OSError, UnicodeError) as error:
        raise ArgumentTypeError(f"{key}: {error}") from error
