import os
import signal
import subprocess
import sys

import httpx
import pytest

from testbed.encoded_pictures import encoded, noise
from testbed.servers import PROJECT, FrontendServer


@pytest.fixture(scope="package")
def service(triton, tmp_path_factory):
    """The real frontend with a worker for jobs, on the real Triton."""
    folder = tmp_path_factory.mktemp("client")
    settings = {"results_dir": folder / "results", "job_workers": 1, "max_upload_bytes": 2_000_000}
    with FrontendServer(triton.grpc_url, folder, **settings) as server:
        yield server


@pytest.fixture
def pictures(tmp_path):
    """A folder with so many small pictures, none of them like another's."""

    def make(count, seed):
        folder = tmp_path / "pictures"
        folder.mkdir()
        for number in range(count):
            (folder / f"{number:03}.png").write_bytes(encoded(noise(seed=1000 * seed + number)))
        return folder

    return make


@pytest.fixture
def client(service, tmp_path):
    """Starts the command in a process of its own, on brain_mri."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONCO_")}
    started = []

    def start(folder, *arguments):
        command = [sys.executable, "-m", "oncoserve", "predict", folder, "--model", "brain_mri"]
        command += ["--out", tmp_path / "out", "--url", service.url, *arguments]
        process = subprocess.Popen(
            [str(each) for each in command], cwd=PROJECT, env=environment, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture
def jobs(service):
    """All jobs of the service with their images, newest first."""

    def read():
        with httpx.Client(base_url=service.url, timeout=60) as http:
            listed = http.get("/v1/jobs", params={"limit": 100}).raise_for_status().json()["jobs"]
            return [http.get(f"/v1/jobs/{job['id']}").raise_for_status().json() for job in listed]

    return read
