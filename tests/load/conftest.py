"""A quick model behind the real frontend and the real Triton, and the Locust command."""

import contextlib
import subprocess
import sys
from dataclasses import dataclass

import pytest

from testbed.servers import PROJECT, FrontendServer, TritonServer
from testbed.tiny_models import write_classifier


@pytest.fixture(scope="package")
def tiny_triton(embedded_triton, tmp_path_factory):
    folder = tmp_path_factory.mktemp("load")
    write_classifier(folder / "models")
    with TritonServer(folder / "models", folder) as server:
        yield server


def frontend_of(triton, folder, **settings):
    return FrontendServer(
        triton.grpc_url, folder, model_repository=triton.folder / "models", results_dir=folder / "results", **settings
    )


@pytest.fixture(scope="package")
def tiny_url(tiny_triton, tmp_path_factory):
    """Address of a frontend with the default limits."""
    with frontend_of(tiny_triton, tmp_path_factory.mktemp("frontend")) as server:
        yield server.url


@pytest.fixture
def start_frontend(tiny_triton, tmp_path):
    """Starts one more frontend, with these settings, and returns its address."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(frontend_of(tiny_triton, tmp_path, **settings)).url


@dataclass
class Done:
    code: int
    stderr: str

    @property
    def broken(self):
        """The limits that it says were broken, by their first word."""
        lines = [line.split() for line in self.stderr.splitlines() if line.startswith("LIMIT BROKEN")]
        return {words[2].rstrip(":") for words in lines}


LOCUST = (sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py")


@pytest.fixture
def locust():
    """Runs Locust: it patches the standard library when it is imported, so never in this process."""

    def run(host, *arguments):
        command = [*LOCUST, "--headless", "--host", host, *arguments]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
        return Done(done.returncode, done.stderr)

    return run


@pytest.fixture
def start_locust(tmp_path):
    """Starts one more process of Locust, which is stopped at the end if it runs still."""
    with contextlib.ExitStack() as stack:

        def start(*arguments):
            output = stack.enter_context((tmp_path / "locust.log").open("ab"))
            process = subprocess.Popen([*LOCUST, *arguments], cwd=PROJECT, stdout=output, stderr=output)
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
            return process

        yield start
