"""`python -m deploy.aws deploy`, `status` and `teardown` on the emulator."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from testbed.aws_emulator import ACCOUNT, REGION
from testbed.servers import PROJECT, free_port

NAME = "clinic"
CODE = f"{NAME}-code-{ACCOUNT}-{REGION}"
PYTHON = ["--parameter", "PythonVersion=3.13"]
FOREIGN = {
    "Description": "Somebody else's",
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "theirs"}}},
}


@pytest.fixture(scope="module")
def deployed(operator):
    """Both stacks, made by the command; what it printed."""
    done = operator.deploy(NAME, *PYTHON, *operator.network(), *operator.images(), "--yes")
    assert done.code == 0, done.out + done.err
    return done


@pytest.fixture
def foreign(emulator):
    """Makes a stack that is not ours."""
    cloudformation, made = emulator.client("cloudformation"), []

    def make(name, template=FOREIGN):
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
        made.append(name)
        until(lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"], "CREATE_COMPLETE")

    yield make
    for name in made:
        cloudformation.delete_stack(StackName=name)


def until(look, wanted):
    deadline = time.monotonic() + 60
    while (found := look()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def parameters(emulator, stack):
    (found,) = emulator.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in found["Parameters"]}


def test_a_dry_run_says_every_step_and_does_none(operator):
    options = [*operator.network(), *operator.images()]
    before = operator.everything()
    done = operator.deploy("dry", *PYTHON, *options)
    assert done.code == 0, done.err
    assert operator.everything() == before
    assert f"account {ACCOUNT} " in done.out
    assert f"region {REGION} (AWS_DEFAULT_REGION)" in done.out
    assert re.findall(r"^\d", done.out, re.MULTILINE) == ["1", "2", "3", "4", "5", "6"]
    for words in (
        "Code bucket dry-code-",
        "Stack dry of pipeline.yaml: make it",
        "Stack dry-workers of ec2.yaml: make it",
    ):
        assert words in done.out
    assert "Add   2 x AWS::Lambda::Function" in done.out
    assert "Add   3 x AWS::AutoScaling::AutoScalingGroup" in done.out  # of the loop, one a model
    assert "AWS::CloudFront::Distribution" not in done.out  # nobody asked for it
    assert "not verified: look at https://aws.amazon.com/pricing/" in done.out


@pytest.mark.long
def test_the_workers_can_be_sagemaker_s(operator):
    """Only said: the emulator has no SageMaker."""
    options = [*PYTHON, "--workers", "sagemaker"]
    done = operator.deploy("dry", *options, "--sagemaker-image", "oncoserve-triton:1")
    assert (done.code, "Add   3 x AWS::SageMaker::Endpoint" in done.out) == (0, True), done.out + done.err
    assert f"SageMakerImage={ACCOUNT}.dkr.ecr." in done.out
    done = operator.deploy("dry", *options, *operator.images())
    assert (done.code, "No template takes TritonImage, WorkerImage" in done.err) == (2, True), done.err


def test_it_makes_the_code_bucket_and_both_stacks(operator, emulator, deployed):
    assert operator.stacks()[NAME] == operator.stacks()[f"{NAME}-workers"] == "CREATE_COMPLETE"
    given = parameters(emulator, NAME)
    assert given["CodeBucket"] == CODE
    s3 = emulator.client("s3")
    assert s3.get_object(Bucket=CODE, Key=given["CodeKey"])["Body"].read() == operator.package.read_bytes()
    assert all(s3.get_public_access_block(Bucket=CODE)["PublicAccessBlockConfiguration"].values())
    (rule,) = s3.get_bucket_encryption(Bucket=CODE)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=CODE)["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert "Expiration" not in rule  # CloudFormation needs the package before to take a failed update back


@pytest.mark.long
def test_a_tag_is_passed_on_as_the_digest_that_it_has(operator, emulator, deployed):
    given = parameters(emulator, f"{NAME}-workers")
    for parameter, repository in (("TritonImage", "oncoserve-triton"), ("WorkerImage", "oncoserve-worker")):
        host = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
        assert given[parameter] == f"{host}/{repository}@{operator.digest(repository)}"


@pytest.mark.long
def test_it_says_where_the_api_is_and_that_nobody_has_a_key(emulator, deployed):
    (stack,) = emulator.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
    (url,) = [each["OutputValue"] for each in stack["Outputs"] if each["OutputKey"] == "ApiUrl"]
    assert f"{NAME}: ApiUrl = {url}" in deployed.out
    assert "Without them every caller is refused." in deployed.out


@pytest.mark.long
def test_a_second_time_nothing_changes_and_what_was_said_stays(operator, emulator, deployed):
    before = parameters(emulator, f"{NAME}-workers"), operator.everything()
    for more in ([], ["--yes"]):
        done = operator.deploy(NAME, *more)
        assert (done.code, done.out.count("it is up to date")) == (0, 2), done.out + done.err
    assert (parameters(emulator, f"{NAME}-workers"), operator.everything()) == before


def test_a_change_is_shown_first_and_then_made(operator, emulator, deployed):
    before = operator.everything()
    done = operator.deploy(NAME, "--parameter", "MaxWorkers=3")
    assert done.code == 0, done.err
    assert re.search(r"Modify +WorkersHeTissue \(AWS::AutoScaling::AutoScalingGroup\)", done.out)
    assert operator.everything() == before  # the change set is gone again
    assert operator.deploy(NAME, "--parameter", "MaxWorkers=3", "--yes").code == 0
    assert parameters(emulator, f"{NAME}-workers")["MaxWorkers"] == "3"


@pytest.mark.long
def test_a_rest_api_is_deployed_again_when_its_addresses_change_and_only_then(operator, emulator):
    """Its policy would stay what it was otherwise. What follows from AllowedCidrs nobody has to say."""
    given = ["--workers", "none", *PYTHON, "--parameter", "Door=rest", "--parameter", "WebAcl=true", "--yes"]
    done = operator.deploy("walled", *given, "--parameter", "AllowedCidrs=127.0.0.0/8,2001:db8::/32,192.0.2.0/24")
    assert done.code == 0, done.err
    made = parameters(emulator, "walled")
    assert (made["WebAclCidrs4"], made["WebAclCidrs6"]) == ("127.0.0.0/8,192.0.2.0/24", "2001:db8::/32")
    assert made["ApiLogRole"] == "true"
    assert f"ApiRevision={made['ApiRevision']}" in done.out
    same = operator.deploy("walled", *given, "--parameter", "AllowedCidrs=127.0.0.0/8,2001:db8::/32,192.0.2.0/24")
    assert "it is up to date" in same.out
    assert operator.deploy("walled", *given, "--parameter", "AllowedCidrs=127.0.0.0/8").code == 0
    changed = parameters(emulator, "walled")
    assert (changed["WebAclCidrs4"], changed["WebAclCidrs6"]) == ("127.0.0.0/8", "")
    assert changed["ApiLogRole"] == "true"  # though the account has the role by now: it is this stack's
    assert changed["ApiRevision"] != made["ApiRevision"]
    (stack,) = emulator.client("cloudformation").describe_stacks(StackName="walled")["Stacks"]
    (api,) = [each["OutputValue"] for each in stack["Outputs"] if each["OutputKey"] == "RestApiId"]
    (deployment,) = emulator.client("apigateway").get_deployments(restApiId=api)["items"]
    assert deployment["description"] == f"Revision {changed['ApiRevision']}"


@pytest.mark.long
def test_the_api_keys_are_those_of_the_file(operator, emulator, deployed, tmp_path):
    keys = tmp_path / "api_keys"
    keys.write_text(f"ward {'0' * 64}\n")
    bucket = next(line.split(" = ")[1] for line in deployed.out.splitlines() if "BucketName" in line)
    done = operator.deploy(NAME, "--keys", str(keys), "--yes")
    assert (done.code, "API keys of ward" in done.out) == (0, True), done.err
    assert emulator.client("s3").get_object(Bucket=bucket, Key="config/api_keys")["Body"].read() == keys.read_bytes()
    keys.write_text("ward my-secret\n")
    done = operator.deploy(NAME, "--keys", str(keys), "--yes")
    assert (done.code, "line 1: expected" in done.err, "my-secret" in done.err) == (2, True, False)


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--parameter", "Min=1"], "MinWorkers: "),
        (["--parameter", "MinWorkers=-1"], "MinWorkers=-1 is refused: expected at least 0"),
        (["--parameter", "MinWorkers=two"], "it is no number"),
        (["--parameter", "WithCdn=yes"], "expected one of true, false"),
        (["--parameter", "AllowedCidrs=192.0.2.1/24"], "has host bits set"),
        (["--parameter", "Models=BrainMri,Heart"], "expected names of Mappings: BrainMri"),
        (["--parameter", "CodeKey=x"], "CodeKey cannot be given"),
        (["--parameter", "PythonVersion"], "expected KEY=VALUE, got 'PythonVersion'"),
        (["--parameter", "PythonVersion=@/nowhere"], "/nowhere"),
        (["--triton-image", "oncoserve-triton:2"], "There is no image oncoserve-triton:2 in ECR"),
        (["--triton-image", "oncoserve-triton"], "has no tag"),
        (["--triton-image", "example.com/triton:1"], "name it by its digest"),
        (["--package", "setup.cfg"], "setup.cfg cannot be read"),
        (["--name", "a_b"], "expected letters, digits and hyphens"),
        (["--name", "n" * 40], "shorten --name"),
    ],
    ids=lambda each: each[-1][:40] if isinstance(each, list) else "",
)
def test_what_is_wrong_is_said_before_anything_is_done(operator, given, words):
    before = operator.everything()
    done = operator.deploy("wrong", *PYTHON, *operator.network(), *operator.images(), *given, "--yes")
    assert (done.code, "1. " in done.out) == (2, False), done.out
    assert words in done.err
    assert operator.everything() == before


def test_what_is_missing_is_said_with_its_meaning(operator):
    done = operator.deploy("wrong", *PYTHON, "--yes")
    assert done.code == 2
    assert "SubnetIds: Of the workers" in done.err
    assert "--build makes and pushes them" in done.err
    assert "VPCs of this region: vpc-" in done.err
    assert "wrong" not in operator.stacks()


@pytest.mark.long
def test_a_stack_of_somebody_else_s_is_left_alone(operator, foreign):
    foreign("theirs")
    foreign("half-workers")
    for command in (["teardown", "--name", "theirs", "--yes"], ["teardown", "--name", "half", "--yes"]):
        done = operator.run(*command)
        assert (done.code, "is not of this project" in done.err) == (2, True), done.err
    done = operator.deploy("theirs", "--workers", "none", "--yes")
    assert (done.code, "is not of this project" in done.err) == (2, True), done.err
    assert operator.stacks()["theirs"] == operator.stacks()["half-workers"] == "CREATE_COMPLETE"


@pytest.mark.long
def test_the_name_of_the_workers_stack_is_no_pipeline_s(operator, deployed):
    done = operator.run("teardown", "--name", f"{NAME}-workers", "--yes")
    assert (done.code, "--name wants the pipeline's name" in done.err) == (2, True)
    assert f"{NAME}-workers" in operator.stacks()


@pytest.mark.long
def test_after_a_failed_creation_the_next_one_comes_through(operator, emulator):
    """It waits for a signal that nobody sends, so the stack is rolled back."""
    template = json.loads((operator.folder / "pipeline.yaml").read_text())
    template["Resources"]["Handle"] = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    waiting = {"Handle": {"Ref": "Handle"}, "Timeout": "1"}
    template["Resources"]["Wrong"] = {"Type": "AWS::CloudFormation::WaitCondition", "Properties": waiting}
    folder = operator.folder / "broken"
    folder.mkdir()
    (folder / "pipeline.yaml").write_text(json.dumps(template))
    options = ["--workers", "none", "--templates", str(folder), *PYTHON, "--yes"]
    done = operator.deploy("again", *options)
    assert done.code == 1, done.out
    assert "again is ROLLBACK_COMPLETE" in done.err
    assert "First it failed at Wrong (AWS::CloudFormation::WaitCondition)" in done.err
    assert operator.stacks()["again"] == "ROLLBACK_COMPLETE"

    done = operator.deploy("again", "--workers", "none", *PYTHON, "--yes")
    assert (done.code, "Its creation failed before (ROLLBACK_COMPLETE)" in done.out) == (0, True), done.out + done.err
    assert operator.stacks()["again"] == "CREATE_COMPLETE"
    assert operator.run("teardown", "--name", "again", "--yes").code == 0
    assert "again" not in operator.stacks()


@pytest.mark.long
@pytest.mark.parametrize(("change_set", "code"), [("oncoserve-1", 0), ("theirs", 2)])
def test_a_stack_that_only_waits_for_a_change_set_goes_if_it_is_ours(operator, emulator, change_set, code):
    cloudformation = emulator.client("cloudformation")
    cloudformation.create_change_set(
        StackName="shell", ChangeSetName=change_set, ChangeSetType="CREATE", TemplateBody=json.dumps(FOREIGN)
    )
    assert operator.stacks()["shell"] == "REVIEW_IN_PROGRESS"
    assert operator.run("teardown", "--name", "shell", "--yes").code == code
    assert ("shell" in operator.stacks()) == (code != 0)
    cloudformation.delete_stack(StackName="shell")


@pytest.mark.long
def test_two_deployments_at_once_leave_a_stack_that_works(operator, emulator, deployed):
    arguments = ["deploy", "--name", NAME, "--templates", str(operator.folder), "--package", str(operator.package)]
    running = [
        subprocess.Popen(
            operator.command(*arguments, "--parameter", f"RequestsPerSecond={rate}", "--yes"),
            cwd=PROJECT, env=operator.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rate in (60, 70)
    ]  # fmt: skip
    ended = [(each, *each.communicate(timeout=120)) for each in running]
    assert {each.returncode for each, _, _ in ended} <= {0, 2}, ended
    assert 0 in {each.returncode for each, _, _ in ended}
    assert not [err for _, _, err in ended if "Traceback" in err]
    assert parameters(emulator, NAME)["RequestsPerSecond"] in {"60", "70"}
    until(lambda: operator.stacks()[NAME], "UPDATE_COMPLETE")


# The emulator makes a stack at once: with a first pause as short as it is, nobody could interrupt the waiting.
WAITING = """
import sys
from deploy.aws import __main__
from deploy.aws.commands import stacks
stacks.FIRST_PAUSE_S = 30
sys.exit(__main__.main())
"""


def test_ctrl_c_ends_the_waiting_and_not_cloudformation(operator):
    arguments = ["deploy", "--name", "pause", "--workers", "none", "--templates", str(operator.folder)]
    arguments += ["--package", str(operator.package), "--parameter", "AllowedCidrs=127.0.0.0/8", *PYTHON, "--yes"]
    running = subprocess.Popen(
        [sys.executable, "-c", WAITING, *arguments], cwd=PROJECT, env=operator.environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: operator.stacks().get("pause"), "CREATE_COMPLETE")
    time.sleep(1)  # it has asked for it, and waits for the first time
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, out + err
    assert "CloudFormation goes on with pause" in err or "`status` tells what there is of pause" in err
    assert "Traceback" not in err
    until(lambda: operator.stacks()["pause"], "CREATE_COMPLETE")
    assert operator.run("teardown", "--name", "pause", "--yes").code == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({"AWS_ENDPOINT_URL": "127.0.0.1:4566"}, 2, "wants an address like http://127.0.0.1:4566"),
        ({"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}, 3, "Could not connect"),
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"},
            2,
            "no credentials",
        ),
        ({"AWS_DEFAULT_REGION": "", "AWS_CONFIG_FILE": "/nowhere"}, 2, "say --region"),
        ({"AWS_PROFILE": "nobody"}, 2, "nobody"),
        ({"AWS_DEFAULT_REGION": "a b"}, 2, "a b"),
    ],
    ids=["no scheme", "nobody there", "no credentials", "no region", "no profile", "no region's name"],
)
@pytest.mark.parametrize("command", ["status", "deploy"])
def test_what_is_wrong_with_the_environment_is_one_sentence(operator, environment, code, words, command):
    done = operator.deploy(NAME, **environment) if command == "deploy" else operator.run(command, **environment)
    assert (done.code, done.err.count("\n")) == (code, 1), done.err
    assert words in done.err


@pytest.mark.long
def test_what_is_not_aws_is_told(operator, tmp_path):
    port = free_port()
    server = subprocess.Popen(
        ["python3", "-m", "http.server", "--bind", "127.0.0.1", str(port)], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: operator.run("status", AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}").code, 2)
        done = operator.run("status", AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}")
        assert (done.code, done.err.count("\n")) == (2, 1), done.err
    finally:
        server.kill()
        server.wait()


@pytest.mark.long
def test_status_shows_everything_and_names_what_is_missing(operator, emulator, deployed):
    done = operator.run("status", "--name", NAME)
    assert done.code == 0, done.out
    for words in (f"{NAME}-FrontendFunction", "python3.13", f"{NAME}-he_tissue-dead", "WORKERS", f"\n{NAME}-workers-"):
        assert words in done.out
    sqs, lambdas = emulator.client("sqs"), emulator.client("lambda")
    dead = sqs.get_queue_url(QueueName=f"{NAME}-he_tissue-dead")["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody="x")
    (name,) = re.findall(rf"{NAME}-AuthoriserFunction-\w+", done.out)
    lambdas.delete_function(FunctionName=name)
    done = operator.run("status", "--name", NAME)
    assert done.code == 1
    assert f"function {name}: ResourceNotFoundException" in done.out
    assert f"queue {NAME}-he_tissue-dead: 1 dead letters; `redrive he_tissue` shows why" in done.out
    assert f"\n{NAME}-workers-" in done.out  # the rest is shown all the same
    assert re.search(r"alarms: \d+ INSUFFICIENT_DATA", done.out)
    done = operator.run("status", "--name", "nothing")
    assert (done.code, "stack nothing: there is none" in done.out) == (1, True)


def test_teardown_says_what_goes_and_what_stays_and_takes_the_workers_first(operator, emulator, deployed):
    before = operator.everything()
    done = operator.run("teardown", "--name", NAME)
    assert (done.code, operator.everything()) == (0, before)
    staying = re.findall(r"^   AWS::(?:S3::Bucket|DynamoDB::Table) (\S+):", done.out, re.MULTILINE)
    assert len(staying) == 2
    done = operator.run("teardown", "--name", NAME, "--yes")
    assert done.code == 0, done.out + done.err
    assert done.out.index(f"Deleting {NAME}-workers ") < done.out.index(f"Deleting {NAME} ")
    assert not {NAME, f"{NAME}-workers"} & set(operator.stacks())
    buckets = [each["Name"] for each in emulator.client("s3").list_buckets()["Buckets"]]
    assert CODE not in buckets
    assert staying[0] in buckets
    assert emulator.client("dynamodb").describe_table(TableName=staying[1])["Table"]["TableStatus"] == "ACTIVE"
    done = operator.run("teardown", "--name", NAME, "--yes")
    assert (done.code, "There is nothing to take away." in done.out) == (0, True)


@pytest.mark.long
def test_a_code_bucket_that_no_deployment_made_is_left_alone(operator, emulator):
    bucket = f"mine-code-{ACCOUNT}-{REGION}"
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    done = operator.run("teardown", "--name", "mine", "--yes")
    assert (done.code, "it is left alone" in done.err) == (2, True), done.out
    s3.delete_bucket(Bucket=bucket)


@pytest.mark.long
def test_images_are_built_pushed_and_named_by_their_digests(operator, emulator, tmp_path):
    """`docker` is a stub that notes how it is called, and puts into ECR what it would push."""
    stub = tmp_path / "docker"
    stub.write_text(STUB)
    stub.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    options = [*PYTHON, *operator.network(), "--build"]
    done = operator.deploy("built", *options, PATH=path, CALLS=str(tmp_path / "calls"))
    assert (done.code, (tmp_path / "calls").exists()) == (0, False), done.err
    assert "would run: docker build --platform linux/amd64 --target triton" in done.out
    done = operator.deploy("built", *options, "--yes", PATH=path, CALLS=str(tmp_path / "calls"))
    assert done.code == 0, done.out + done.err
    calls = (tmp_path / "calls").read_text()
    assert calls.count("login --username AWS --password-stdin") == 2
    assert re.search(r"build .*--target worker --tag \S+/built-worker:\d{8}-\d{6} ", calls)
    assert "@sha256:" in parameters(emulator, "built-workers")["WorkerImage"]
    assert operator.run("teardown", "--name", "built", "--yes").code == 0
    done = operator.deploy("built", *options, "--yes", PATH="/nowhere")
    assert (done.code, "There is no `docker` here" in done.err) == (2, True), done.err


STUB = f"""#!/bin/bash
echo "$*" >> "$CALLS"
[ "$1" = push ] || exit 0
repository=${{2#*/}}
exec {sys.executable} - "${{repository%%:*}}" "${{repository#*:}}" <<'PYTHON'
import sys
from botocore.config import Config
from botocore.session import get_session
ecr = get_session().create_client("ecr", config=Config(proxies={{}}))
ecr.put_image(repositoryName=sys.argv[1], imageManifest=f'{{{{"name": "{{sys.argv[1]}}"}}}}', imageTag=sys.argv[2])
PYTHON
"""
