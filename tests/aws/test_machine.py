"""The script of a worker's machine, run as it is; docker, the AWS CLI and the metadata service are stand-ins that note.

The real ones are of a real account: what only that shows is in docs/aws.md.
"""

import base64
import os
import subprocess
import time

import pytest

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
    "docker": "",
    "curl": METADATA,
    "systemctl": "",
    "logger": "",
    "dnf": "",
    "sleep": "*) /bin/sleep 0.02 ;;",
}


@pytest.fixture
def machine(stack, emulator, tmp_path):
    """Runs the script that an instance of brain_mri gets, until it ends or is told to; what it did, a line each."""
    template = stack.resource("TemplateBrainMri")
    versions = emulator.client("ec2").describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Latest"])
    data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    (tmp_path / "script").write_bytes(base64.b64decode(data["UserData"]))
    notes, state, tools = tmp_path / "notes", tmp_path / "state", tmp_path / "tools"
    notes.touch()
    state.write_text("InService")
    tools.mkdir()
    running = []

    class Machine:
        def start(self, **cases):
            for name, usual in FINE.items():
                (tools / name).write_text(STUB.format(name=name, cases=cases.get(name, "") + usual))
                (tools / name).chmod(0o755)
            environment = {"PATH": f"{tools}:{os.environ['PATH']}", "NOTES": str(notes), "STATE": str(state)}
            running.append(
                subprocess.Popen(["bash", tmp_path / "script"], env=environment, stdout=subprocess.DEVNULL, text=True)
            )
            return self

        def take_away(self):
            state.write_text("Terminated")

        def did(self, words, times=1):
            """Waits until it did something that often."""
            deadline = time.monotonic() + 60
            while notes.read_text().count(words) < times:
                assert time.monotonic() < deadline, notes.read_text()
                time.sleep(0.02)

        def ended(self):
            return running[-1].wait(60)

        def notes(self):
            return notes.read_text().splitlines()

    yield Machine()
    for process in running:
        process.kill()
        process.wait()


def test_it_starts_both_containers_says_so_and_ends_its_images_when_it_is_taken_away(machine, stack):
    machine.start().did("signal-resource")
    machine.take_away()
    assert machine.ended() == 0
    lines = machine.notes()
    triton, worker = (next(line for line in lines if f"--name {each} " in line) for each in ("triton", "worker"))
    for line in (triton, worker):
        assert "--read-only --cap-drop ALL --security-opt no-new-privileges" in line
        assert "@sha256:" in line
    for name, value in (stack.settings | {"job_models": "brain_mri"}).items():
        if name != "aws_endpoint_url":
            assert f"ONCO_{name.upper()}={value}" in worker.split()
    (signal,) = [line for line in lines if "signal-resource" in line]
    assert f"--stack-name {stack.name}-workers --logical-resource-id WorkersBrainMri" in signal
    assert signal.endswith("--unique-id i-0123456789abcdef0 --status SUCCESS")
    stop, complete = (
        next(at for at, line in enumerate(lines) if each in line) for each in ("docker stop", "complete-")
    )
    assert stop < complete
    assert f"--auto-scaling-group-name {stack.name}-workers-BrainMri --lifecycle-hook-name leave" in lines[complete]
    assert not [line for line in lines if "Unhealthy" in line]


@pytest.mark.parametrize(
    "cases",
    [
        {"aws": "*get-login-password*) exit 1 ;;"},
        {"docker": "*network*) exit 1 ;;"},
        {"docker": "*triton*) exit 125 ;;"},
        {"docker": "*exec*) exit 1 ;;"},
    ],
    ids=["no right to the registry", "no network", "no image", "never ready"],
)
def test_one_that_does_not_come_up_says_so_and_is_replaced(machine, cases):
    machine.start(**cases)
    assert machine.ended() == 1
    lines = machine.notes()
    assert [line.rsplit(" ", 1)[-1] for line in lines if "signal-resource" in line] == ["FAILURE"]
    unwell = "set-instance-health --instance-id i-0123456789abcdef0 --health-status Unhealthy"
    assert [line for line in lines if unwell in line]


def test_one_whose_worker_stops_answering_for_long_is_replaced(machine, tmp_path):
    ill = tmp_path / "ill"
    machine.start(docker=f"*exec*) [ ! -e {ill} ] ;;").did("signal-resource")
    looks = len([line for line in machine.notes() if "docker exec" in line])
    ill.touch()
    machine.did("set-instance-health")
    after = [line for line in machine.notes() if "docker exec triton" in line]
    assert len(after) - looks // 2 >= 9  # not at the first look that fails
    machine.take_away()
    assert machine.ended() == 0


def test_one_look_without_an_answer_is_no_reason(machine, tmp_path):
    ill = tmp_path / "ill"
    machine.start(docker=f"*exec*) if [ -e {ill} ]; then rm {ill}; exit 1; fi ;;").did("signal-resource")
    for _ in range(12):
        ill.touch()
        while ill.exists():
            time.sleep(0.01)
        time.sleep(0.1)  # a look that is answered
    machine.take_away()
    assert machine.ended() == 0
    assert not [line for line in machine.notes() if "set-instance-health" in line]
