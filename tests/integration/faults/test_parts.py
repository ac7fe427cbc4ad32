"""The service's own processes die, hang, or lack something: it is whole again without a person."""

import asyncio
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import threading

import httpx
import psutil
import pytest

from oncoserve.keys import new_key
from oncoserve.runtime.sharing import MEMORY
from testbed.encoded_pictures import encoded, noise
from testbed.http_callers import Callers, until
from testbed.servers import FrontendServer

SERVING, WORKING = "frontend.serving", "frontend.working"
AGAIN_S = 30  # what the issue allows


async def restarts(service, headers=None):
    """What was brought back so far: how often, by part and cause."""
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as http:
        text = (await http.get("/metrics", headers=headers)).text
    found = re.findall(r'oncoserve_restarts_total\{cause="(\w+)",part="(\w+)"\} (\d+)', text)
    return {(part, cause): int(count) for cause, part, count in found if int(count)}


async def job_is_done(service, headers=None):
    """Whether a job is; sent now."""
    files = {"images": ("a.png", encoded(noise(seed=os.urandom(4)[0])))}
    async with httpx.AsyncClient(base_url=service.url, timeout=60, headers=headers) as http:
        sent = await http.post("/v1/jobs", data={"model": "tiny"}, files=files)
        assert sent.status_code == 202, sent.text

        async def done():
            return (await http.get(sent.headers["location"])).json()["state"] == "SUCCEEDED"

        await until(done, AGAIN_S)


async def answers_again(callers, headers=None):
    """Whether requests, each on a connection of its own, are answered by every process."""
    one_connection = {"Connection": "close", **(headers or {})}
    return all([(await callers.ask(headers=one_connection)).status == 200 for _ in range(8)])


async def test_processes_that_die_or_hang_are_brought_back(server, start, tmp_path):
    """One that serves is killed, the other is stopped, and so is the worker; half a key file is there meanwhile."""
    secret, key = new_key("ward")
    file = tmp_path / "keys"
    file.write_text(f"{key}\n")
    service = start(server.grpc_url, workers=2, job_workers=1, job_lease_s=1, api_keys_file=file)
    headers = {"X-API-Key": secret}
    # Ready is the service when one of them is; another that has given no sign of life yet gets longer for its first.
    await until(lambda: asyncio.sleep(0, service.output().count('"message": "models"') == 3))
    before = {each.pid for each in service.family()}
    file.write_text(f"{key}"[:30])
    killed, stopped = service.processes(SERVING)
    (worker,) = service.processes(WORKING)
    killed.kill()
    stopped.send_signal(signal.SIGSTOP)
    worker.send_signal(signal.SIGSTOP)
    expected = {("frontend", "signal"): 1, ("frontend", "hung"): 1, ("worker", "hung"): 1}

    async def are_back():
        with contextlib.suppress(httpx.TransportError):  # what the stopped one had taken
            return await restarts(service, headers) == expected

    await until(are_back, AGAIN_S)
    async with Callers(service.url, "tiny") as callers:
        await until(lambda: answers_again(callers, headers), AGAIN_S)
        assert (await callers.ask(headers={"X-API-Key": "another"})).status == 401
    await job_is_done(service, headers)
    assert not before & {each.pid for each in service.family()}
    said = [json.loads(line) for line in service.output().splitlines() if "was lost" in line]
    assert {(line["part"], line["cause"]) for line in said} >= {("worker-0", "hung")}
    file.write_text(f"{key}\n")


@pytest.mark.long
async def test_a_parent_without_descriptors_brings_its_worker_back_when_it_has_some(server, start):
    service = start(server.grpc_url, job_workers=1)
    limits = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
    (worker,) = service.processes(WORKING)
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    worker.kill()

    async def was_tried():
        return (await restarts(service)).get(("worker", "start"), 0) >= 2

    await until(was_tried)
    assert "Too many open files" in service.output()
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, limits)
    await job_is_done(service)


@pytest.mark.long
async def test_a_killed_parent_leaves_no_process_and_no_folder_for_long(server, start):
    service = start(server.grpc_url, workers=2, job_workers=1)
    family = service.family()
    assert len(family) == 3
    (folder,) = {path for each in family for path in folders_of(each)}
    service.kill()
    await until(lambda: asyncio.sleep(0, not any(map(runs, family))))
    service.start()
    await asyncio.to_thread(service.wait_ready)
    assert not folder.exists()


def runs(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE  # which whoever inherited it has not noticed yet
    return False


def folders_of(process):
    """Those in memory that a process has mapped files of."""
    return {MEMORY / path.split("/")[3] for path in mapped(process) if path.startswith(f"{MEMORY}/oncoserve-")}


def mapped(process):
    return [each.path for each in process.memory_maps(grouped=False)]


@pytest.fixture
def full_folder(tmp_path, unavailable):
    """A file system of 64 KiB, full, for temporary files."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a file system can be mounted by root alone")
    with contextlib.suppress(OSError), (folder / "filler").open("wb") as filler:
        while True:
            filler.write(bytes(4096))
            filler.flush()
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.long
async def test_a_full_folder_for_temporary_files_ends_no_process(server, repository, tmp_path, full_folder):
    """Where the numbers that processes share lay in files there, each of them ended with SIGBUS."""
    settings = {"model_repository": repository, "results_dir": tmp_path / "results", "workers": 2, "job_workers": 1}
    service = FrontendServer(server.grpc_url, tmp_path, rate_limit_per_min=1000, **settings)
    service.env["TMPDIR"] = str(full_folder)
    with service:
        async with Callers(service.url, "tiny") as callers:
            service.processes(SERVING)[0].kill()
            await until(lambda: answers_again(callers), AGAIN_S)
        await job_is_done(service)
        assert await restarts(service) == {("frontend", "signal"): 1}


class Unread(FrontendServer):
    """A frontend whose output is a small pipe that nobody reads before `read` is called."""

    def start(self):
        """Start it."""
        self.reader, writer = os.pipe()
        self.process = subprocess.Popen(self.argv, cwd=self.cwd, env=self.env, stdout=writer, stderr=writer)
        os.close(writer)
        self.lines = []

    def read(self):
        """Read until its end."""
        with os.fdopen(self.reader) as lines:
            self.lines = list(lines)


async def ask_in_one_go(port, count):
    """So many requests on one connection, one after the other, each of which is answered and makes a line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n" * count)
    async with asyncio.timeout(60):
        for _ in range(count):
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
            await reader.readuntil(b"\r\n\r\nok\n")
    writer.close()


@pytest.mark.long
async def test_standard_error_that_nobody_reads_costs_lines_only(server, repository, tmp_path):
    settings = {"model_repository": repository, "results_dir": tmp_path / "results"}
    with Unread(server.grpc_url, tmp_path, **settings) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=10) as http:

            async def dropped():
                await ask_in_one_go(service.port, 1000)
                text = (await http.get("/metrics")).text
                return float(re.search(r"^oncoserve_log_lines_dropped_total (\S+)$", text, re.MULTILINE)[1]) > 0

            await until(dropped, 120)
        reading = threading.Thread(target=service.read)
        reading.start()
    reading.join()
    assert "log lines were dropped" in "".join(service.lines)
