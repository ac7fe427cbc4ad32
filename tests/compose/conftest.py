"""The stack that most tests share."""

import itertools
import subprocess

import pytest

from testbed.encoded_pictures import encoded, scan
from tests.compose.stack import Stack


@pytest.fixture(scope="session")
def compose_command(unavailable):
    """Makes sure that Compose is there; it checks files without an engine."""
    try:
        done = subprocess.run(["docker", "compose", "version"], capture_output=True, text=True)
    except FileNotFoundError:
        unavailable("docker", "the docker command is not installed")
    if done.returncode:
        unavailable("docker", "docker has no Compose v2 plugin")


@pytest.fixture(scope="session")
def engine(compose_command, unavailable):
    """Makes sure that a Docker engine answers."""
    done = subprocess.run(["docker", "version"], capture_output=True, text=True)
    if done.returncode:
        unavailable("docker", f"no Docker engine answers: {done.stderr.strip().splitlines()[-1]}")


@pytest.fixture(scope="session")
def stack(engine):
    """Everything up and healthy, one for the whole run: a test that breaks it waits until it works again."""
    with Stack() as running:
        running.compose("up", "--detach", "--wait")
        yield running


@pytest.fixture(scope="session")
def new_picture(stack):
    """Makes a picture that nobody has uploaded before, so that Triton has to answer for it."""
    numbers = itertools.count(1)

    def make() -> bytes:
        return encoded(scan(seed=next(numbers)))

    return make
