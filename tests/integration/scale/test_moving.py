"""A service that moves, and one that is put back from its backup: what it had is there."""

import os
import subprocess
import sys

import httpx
import pytest

from oncoserve.settings import PREFIX
from testbed.encoded_pictures import encoded, noise
from testbed.servers import PROJECT
from testbed.storage.postgres import PASSWORD, USER, program
from testbed.storage.shared_storage import shared_settings
from tests.integration.scale.test_two_frontends import PREDICT, ended, pictures, wait_for


def command(*arguments, **settings):
    env = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    env |= {PREFIX + name.upper(): str(value) for name, value in settings.items()}
    argv = [sys.executable, "-m", "oncoserve", "storage", *arguments]
    done = subprocess.run(argv, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stderr


def postgres_program(name, *arguments, server, input_bytes=None):
    """Debian's program on a server of ours."""
    argv = [program(name), "--host=127.0.0.1", f"--port={server.port}", f"--username={USER}", *arguments]
    done = subprocess.run(argv, env=os.environ | {"PGPASSWORD": PASSWORD}, input=input_bytes, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def made():
    """What a service has that has worked: a result with a correction, a job that ended and one that waits."""

    def make(service):
        result = httpx.post(service.url + PREDICT, content=encoded(noise(seed=1)), timeout=60).json()
        sent = httpx.post(f"{service.url}/v1/jobs", data={"model": "tiny"}, files=pictures(3, first=10), timeout=60)
        job = ended(service.url + sent.headers["location"])
        assert job["progress"]["succeeded"] == 3
        return result, job

    return make


def assert_has(service, result, job):
    assert httpx.get(service.url + result["links"]["self"], timeout=60).json() == result
    assert httpx.get(service.url + job["links"]["self"], timeout=60).json() == job
    for image in job["images"]:
        assert httpx.get(service.url + image["links"]["result"], timeout=60).status_code == 200


def test_from_one_machine_to_several_with_jobs_that_wait(start, shared, made):
    one = start(job_workers=1)
    result, job = made(one)
    one.stop()
    idle = start(job_workers=0, results_dir=one.results)
    sent = httpx.post(f"{idle.url}/v1/jobs", data={"model": "tiny"}, files=pictures(5, first=30), timeout=60)
    waiting = sent.headers["location"]
    idle.stop()
    arguments = ("copy", "--from", str(one.results), "--to", "bucket", "--jobs")
    assert command(*arguments, **shared) == "oncoserve: 4 results copied, 0 were there.\noncoserve: 2 jobs copied.\n"
    assert command(*arguments, **shared) == "oncoserve: 0 results copied, 4 were there.\noncoserve: 0 jobs copied.\n"
    front, back = start(**shared, job_workers=0), start(**shared, job_workers=1)
    assert_has(front, result, job)
    moved = ended(front.url + waiting)
    assert (moved["state"], moved["progress"]["succeeded"]) == ("SUCCEEDED", 5)
    assert httpx.get(back.url + waiting, timeout=60).json() == moved
    again = httpx.post(back.url + PREDICT, content=encoded(noise(seed=1)), timeout=60)
    assert again.headers["cache-status"] == "oncoserve; hit"


def test_a_backup_is_put_back(start, postgres, seaweed, made, tmp_path):
    lost = shared_settings(postgres, seaweed)
    service = start(**lost, job_workers=1)
    result, job = made(service)
    sent = httpx.post(f"{service.url}/v1/jobs", data={"model": "tiny"}, files=pictures(40, first=50), timeout=60)
    path = sent.headers["location"]
    wait_for(service.url + path, lambda job: job["progress"]["succeeded"] > 2)
    # While it works: the database first, so that what it knows of is in the bucket's copy.
    dump = postgres_program("pg_dump", "--format=custom", lost["postgres_url"].rpartition("/")[2], server=postgres)
    command("copy", "--from", "bucket", "--to", str(tmp_path / "backup"), **lost)
    ended(service.url + path)
    service.stop()

    found = shared_settings(postgres, seaweed)
    postgres_program(
        "pg_restore", f"--dbname={found['postgres_url'].rpartition('/')[2]}", server=postgres, input_bytes=dump
    )
    command("copy", "--from", str(tmp_path / "backup"), "--to", "bucket", **found)
    other = start(**found, job_workers=1)
    assert_has(other, result, job)
