"""What a worker's machine is told to do, run as it is; docker, the AWS CLI and the metadata service are stand-ins.

The real ones are of a real account: what only that shows is in docs/aws.md.
"""

import base64
import json
import os
import signal
import subprocess
import time

import pytest
import yaml
from botocore.exceptions import ClientError

from testbed.aws_template import read_template

STUB = """#!/bin/bash
echo "{name} $*" >>"$NOTES"
case "{name} $*" in
{cases}
esac
"""
METADATA = """
*api/token*) echo token ;;
*instance-id) echo i-0123456789abcdef0 ;;
*target-lifecycle-state) cat "$STATE" ;;
"""
FINE = {
    "aws": "*get-login-password*) echo password ;;",
    "docker": "*inspect*) exit 1 ;; docker\\ login*) cat >/dev/null ;;",  # or the password's writer would fail
    "curl": METADATA,
    "systemctl": "",
    "nvidia-smi": "",
    "dnf": "",
    "sleep": "*) /bin/sleep 0.02 ;;",
}
LARGEST = 16 * 2**10  # bytes of user data that EC2 takes
WITHOUT_DEFAULT = {key for key, each in read_template("ec2")["Parameters"].items() if "Default" not in each}
PROGRAM = "/usr/local/sbin/oncoserve-machine"


def told(emulator, template):
    """What cloud-init gets: the files by their paths, and the commands."""
    versions = emulator.client("ec2").describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Latest"])
    data = base64.b64decode(versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]["UserData"]).decode()
    assert data.startswith("#cloud-config\n")
    assert len(data.encode()) < LARGEST
    config = yaml.safe_load(data)
    return {each["path"]: each["content"] for each in config["write_files"]}, config["runcmd"]


def settings(text):
    return dict(line.split("=", 1) for line in text.splitlines())


class Machine:
    """Runs the script that an instance gets; what it did, a line each."""

    def __init__(self, folder, files):
        self.files = files
        self.notes, self.state, self.tools = folder / "notes", folder / "state", folder / "tools"
        self.notes.touch()
        self.state.write_text("InService")
        self.tools.mkdir()
        self.script = folder / "script"
        self.script.write_text(files[PROGRAM])
        self.processes = []

    def start(self, **cases):
        for name, usual in FINE.items():
            (self.tools / name).write_text(STUB.format(name=name, cases=cases.get(name, "") + usual))
            (self.tools / name).chmod(0o755)
        own = {"PATH": f"{self.tools}:{os.environ['PATH']}", "NOTES": str(self.notes), "STATE": str(self.state)}
        environment = settings(self.files["/etc/oncoserve/machine"]) | own
        self.processes.append(
            subprocess.Popen(["bash", self.script], env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
        )
        return self

    def take_away(self):
        self.state.write_text("Terminated")

    def did(self, words, times=1):
        """Waits until it did something that often."""
        deadline = time.monotonic() + 60
        while self.notes.read_text().count(words) < times:
            assert time.monotonic() < deadline, self.notes.read_text()
            time.sleep(0.02)

    def ended(self):
        return self.processes[-1].wait(60)

    def lines(self, words=""):
        return [line for line in self.notes.read_text().splitlines() if words in line]


@pytest.fixture(scope="module")
def make_workers(stack, emulator):
    """Makes workers' stacks beside the stack's own, without what decides how many there are; gives ids."""
    cloudformation = emulator.client("cloudformation")
    own = cloudformation.describe_stacks(StackName=stack.names[-1])["Stacks"][0]["Parameters"]
    own = {each["ParameterKey"]: each["ParameterValue"] for each in own if each["ParameterKey"] in WITHOUT_DEFAULT}

    def make(name, **parameters):
        template = read_template("ec2")
        del template["Resources"]["Fn::ForEach::Scaling"]
        given = own | {"Models": "HeTissue"} | parameters
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        found = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}

    return make


@pytest.fixture
def make_machine(emulator, tmp_path):
    made = []

    def make(template):
        made.append(Machine(tmp_path, told(emulator, template)[0]))
        return made[-1]

    yield make
    for process in (process for machine in made for process in machine.processes):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def machine(make_machine, stack):
    """One of brain_mri."""
    return make_machine(stack.resource("TemplateBrainMri"))


def test_cloud_init_gets_a_service_that_comes_back_with_the_machine(stack, emulator):
    """Not a script of its own, which it would run at the first start alone."""
    files, commands = told(emulator, stack.resource("TemplateBrainMri"))
    unit = files["/etc/systemd/system/oncoserve.service"]
    assert f"ExecStart={PROGRAM}\n" in unit
    assert "EnvironmentFile=/etc/oncoserve/machine\n" in unit
    assert "Restart=on-abnormal\n" in unit
    assert "WantedBy=multi-user.target\n" in unit
    assert commands == [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", "--no-block", "oncoserve"]]
    checked = subprocess.run(["bash", "-n"], input=files[PROGRAM], text=True, capture_output=True, check=True)
    assert checked.stderr == ""


@pytest.mark.parametrize("model", ["brain_mri", "he_tissue"])
def test_a_worker_works_for_its_model_and_its_stack(stack, emulator, model):
    logical = "Template" + "".join(part.capitalize() for part in model.split("_"))
    files, _ = told(emulator, stack.resource(logical))
    worker = settings(files["/etc/oncoserve/worker"])
    for name, value in (stack.settings | {"job_models": model}).items():
        if name != "aws_endpoint_url":
            assert worker[f"ONCO_{name.upper()}"] == value
    machine = settings(files["/etc/oncoserve/machine"])
    assert machine["RESOURCE"] == f"Workers{logical.removeprefix('Template')}"
    assert machine["GROUP"] == stack.resource(machine["RESOURCE"])
    assert machine["LOGS"] == stack.resource("WorkerLogs")
    assert all("@sha256:" in machine[image] for image in ("TRITON_IMAGE", "WORKER_IMAGE"))


def test_it_starts_both_containers_says_so_and_ends_its_images_when_it_is_taken_away(machine, stack):
    machine.start().did("--lifecycle-hook-name enter")
    machine.take_away()
    assert machine.ended() == 0
    for name in ("triton", "worker"):
        (line,) = machine.lines(f"--name {name} ")
        assert "--read-only --cap-drop ALL --security-opt no-new-privileges" in line
        assert f"--env-file /etc/oncoserve/{name} " in line
        assert line.endswith(settings(machine.files["/etc/oncoserve/machine"])[f"{name.upper()}_IMAGE"])
    (signalled,) = machine.lines("signal-resource")
    assert f"--stack-name {stack.names[-1]} --logical-resource-id WorkersBrainMri" in signalled
    assert signalled.endswith("--unique-id i-0123456789abcdef0 --status SUCCESS")
    group = f"--auto-scaling-group-name {stack.resource('WorkersBrainMri')}"
    assert [group in line for line in machine.lines("complete-lifecycle-action")] == [True, True]
    assert machine.lines("--lifecycle-hook-name enter")[0].endswith("--lifecycle-action-result CONTINUE")
    order = [at for words in ("docker stop -t 630 worker", "hook-name leave") for at in positions(machine, words)]
    assert len(order) == 2
    assert order == sorted(order)
    assert not machine.lines("Unhealthy")


def positions(machine, words):
    return [at for at, line in enumerate(machine.lines()) if words in line]


@pytest.mark.parametrize(
    ("cases", "reason"),
    [
        ({"aws": "*get-login-password*) exit 1 ;;"}, "could not be started"),
        ({"docker": "*pull*worker*) echo no such image >&2; exit 1 ;;"}, "no such image"),
        ({"docker": "*network*) exit 1 ;;"}, "could not be started"),
        ({"docker": "*run*triton*) exit 125 ;;"}, "could not be started"),
        ({"docker": "docker\\ exec*) exit 1 ;;"}, "not ready after ten minutes"),
    ],
    ids=["no right to the registry", "no image", "no network", "no container", "never ready"],
)
def test_one_that_does_not_come_up_says_why_and_never_is_in_service(machine, cases, reason):
    machine.start(**cases).did("--lifecycle-hook-name enter")
    machine.take_away()
    assert machine.ended() == 1
    (said,) = (line for line in machine.lines("put-log-events") if "takes this instance away" not in line)
    assert reason in said
    assert [line.rsplit(" ", 1)[-1] for line in machine.lines("signal-resource")] == ["FAILURE"]
    assert machine.lines("hook-name enter")[0].endswith("--lifecycle-action-result ABANDON")
    assert machine.lines("hook-name leave")  # else the machine would be there, and cost, until the hook runs out
    # One that was in service before goes too: by default this respects the group's grace period.
    assert machine.lines("--health-status Unhealthy --no-should-respect-grace-period")


def test_what_a_network_refuses_once_is_tried_again(machine, tmp_path):
    once = tmp_path / "once"
    once.touch()
    machine.start(docker=f"*pull*) if [ -e {once} ]; then rm {once}; exit 1; fi ;;").did("--status SUCCESS")
    assert len(machine.lines("docker pull")) == 3


def test_one_whose_worker_stops_answering_for_long_is_replaced(machine, tmp_path):
    ill = tmp_path / "ill"
    machine.start(docker=f"docker\\ exec*) [ ! -e {ill} ] ;;").did("--lifecycle-hook-name enter")
    ill.touch()
    before = len(machine.lines("docker exec triton"))
    machine.did("Unhealthy --no-should-respect-grace-period")
    after = len(machine.lines("docker exec triton"))
    assert after - before >= 9  # not at the first look that fails
    machine.take_away()
    assert machine.ended() == 0


def test_one_look_without_an_answer_is_no_reason(machine, tmp_path):
    ill = tmp_path / "ill"
    exec_ = f"docker\\ exec\\ triton*) if [ -e {ill} ]; then rm {ill}; exit 1; fi ;;"
    machine.start(docker=exec_).did("--lifecycle-hook-name enter")
    for _ in range(12):
        ill.touch()
        while ill.exists():
            time.sleep(0.01)
        machine.did("docker exec worker", len(machine.lines("docker exec worker")) + 1)  # a look that is answered
    machine.take_away()
    assert machine.ended() == 0
    assert not machine.lines("set-instance-health")


def test_a_tool_that_hangs_is_not_waited_for(machine, tmp_path):
    """A frozen container would else stop the machine's looks, and its end, for ever."""
    shorter = machine.script.read_text().replace("timeout 20", "timeout 0.2")
    machine.script.write_text(shorter)
    ill = tmp_path / "ill"
    hangs = f"docker\\ exec*) [ ! -e {ill} ] || exec /bin/sleep 60 ;;"
    machine.start(docker=hangs).did("--lifecycle-hook-name enter")
    ill.touch()
    machine.did("set-instance-health")
    machine.take_away()
    assert machine.ended() == 0


def test_a_second_start_of_the_machine_goes_on_with_the_containers_that_are_there(machine):
    machine.start(docker="*inspect*) exit 0 ;;").did("--lifecycle-hook-name enter")
    assert [line.rsplit(" ", 1)[-1] for line in machine.lines("docker start")] == ["triton", "worker"]
    assert not machine.lines("docker run")


@pytest.mark.parametrize("step", ["docker pull", "docker exec", "hook-name enter", "docker stop"])
def test_one_that_is_killed_at_any_moment_goes_on_when_systemd_starts_it_again(machine, step):
    machine.start(docker="docker\\ stop*) [ -e $STATE.again ] || exec /bin/sleep 60 ;;")
    if step == "docker stop":
        machine.did("hook-name enter")
        machine.take_away()
    machine.did(step)
    os.killpg(machine.processes[-1].pid, signal.SIGKILL)
    machine.processes[-1].wait()
    begun = len(machine.lines())
    machine.state.with_name("state.again").touch()
    machine.start(docker="docker\\ stop*) [ -e $STATE.again ] || exec /bin/sleep 60 ;;")
    if step != "docker stop":
        machine.did("hook-name enter", len(machine.lines("hook-name enter")) + 1)
        machine.take_away()
    assert machine.ended() == 0
    assert any("hook-name leave" in line for line in machine.lines()[begun:])
    if step == "docker stop":  # it is being taken away: nothing is started any more
        assert not [line for line in machine.lines()[begun:] if "docker run" in line or "docker start" in line]


def test_on_a_gpu_triton_gets_it_and_the_machine_has_to_have_one(make_workers, make_machine):
    machine = make_machine(make_workers("on-gpu", Gpu="true")["TemplateHeTissue"])
    assert settings(machine.files["/etc/oncoserve/triton"])["ONCO_TRITON_DEVICE"] == "gpu"
    machine.start().did("--status SUCCESS")
    assert "--shm-size 1g " in machine.lines("--name triton ")[0]
    assert "--gpus all " in machine.lines("--name triton ")[0]
    assert not [line for line in machine.lines("--name worker ") if "--gpus" in line]


def test_a_machine_image_without_a_driver_is_told_where_a_gpu_is_wanted(make_workers, make_machine):
    machine = make_machine(make_workers("no-gpu", Gpu="true")["TemplateHeTissue"])
    machine.start(**{"nvidia-smi": "*) exit 9 ;;"}).did("--status FAILURE")
    assert "MachineImage has to be one for GPUs" in machine.lines("put-log-events")[0]
    assert not machine.lines("docker run")


def test_in_a_closed_network_the_endpoints_are_there_before_the_machines(make_workers, emulator):
    (network,) = emulator.client("ec2").describe_route_tables()["RouteTables"][:1]
    made = make_workers("closed", Endpoints="true", RouteTableIds=network["RouteTableId"])
    endpoints = {key: value for key, value in made.items() if key.startswith(("Gateway", "Interface"))}
    described = emulator.client("ec2").describe_vpc_endpoints(VpcEndpointIds=list(endpoints.values()))["VpcEndpoints"]
    services = {each["ServiceName"].split(".", 3)[-1]: each["VpcEndpointType"] for each in described}
    assert services == dict.fromkeys(("s3", "dynamodb"), "Gateway") | dict.fromkeys(
        ("sqs", "logs", "autoscaling", "cloudformation", "ssm", "ssmmessages", "ecr.api", "ecr.dkr"), "Interface"
    )
    tags = read_template("ec2")["Resources"]["Fn::ForEach::Workers"][2]["Workers${Model}"]["Properties"]["Tags"]
    (_, closed, _) = tags[0]["Value"]["Fn::If"]
    waited = {each["Ref"] for each in closed["Fn::Join"][1]}
    assert waited == set(endpoints) - {"Interfacessm", "Interfacessmmessages"}  # somebody's shell may come later


@pytest.mark.parametrize(
    "given",
    [
        {"Endpoints": "true"},
        {"WorkerImage": "000000000000.dkr.ecr.eu-central-1.amazonaws.com/oncoserve-worker:1"},
        {"TritonImage": f"oncoserve@sha256:{64 * '0'}"},
        {"QuietSeconds": "301"},
        {"MinWorkers": "-1"},
    ],
    ids=str,
)
def test_a_value_that_would_not_work_is_refused_before_anything_is_made(make_workers, given):
    with pytest.raises(ClientError, match=next(iter(given)).replace("Endpoints", "RouteTableIds")):
        make_workers("refused-workers", **given)
