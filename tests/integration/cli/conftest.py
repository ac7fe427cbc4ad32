import os
import signal
import subprocess
import sys
from collections import Counter

import httpx
import pytest

from testbed.encoded_pictures import encoded, scan
from testbed.servers import DEAD_PROXY, PROJECT, FrontendServer


@pytest.fixture(scope="package")
def service(triton, tmp_path_factory):
    """The real frontend with a worker for jobs, on the real Triton."""
    folder = tmp_path_factory.mktemp("client")
    settings = {"results_dir": folder / "results", "job_workers": 1, "max_upload_bytes": 2_000_000}
    with FrontendServer(triton.grpc_url, folder, **settings) as server:
        yield server


@pytest.fixture
def pictures(tmp_path):
    """A folder with so many small pictures; neither they nor their names are like those of another seed."""

    def make(count, seed):
        folder = tmp_path / f"pictures-{seed}"
        folder.mkdir()
        for number in range(count):
            (folder / f"{seed}-{number:03}.png").write_bytes(encoded(scan(seed=1000 * seed + number)))
        return folder

    return make


@pytest.fixture
def client(service, tmp_path):
    """Starts the command in a process of its own, on brain_mri."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONCO_")} | DEAD_PROXY
    started = []

    def start(folder, *arguments, out=tmp_path / "out"):
        command = [sys.executable, "-m", "oncoserve", "predict", folder, "--model", "brain_mri"]
        command += ["--out", out, "--url", service.url, *arguments]
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
def sent(service):
    """How often a picture with each of the names of a seed is an image of a job of the service."""

    def read(seed):
        with httpx.Client(base_url=service.url, timeout=60) as http:
            listed = http.get("/v1/jobs", params={"limit": 100}).raise_for_status().json()["jobs"]
            jobs = [http.get(f"/v1/jobs/{job['id']}").raise_for_status().json() for job in listed]
        names = Counter(image["name"] for job in jobs for image in job["images"])
        return {name: count for name, count in names.items() if name.startswith(f"{seed}-")}

    return read
