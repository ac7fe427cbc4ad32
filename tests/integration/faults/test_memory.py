"""Callers who would fill the memory, against the real frontend on the real Triton: `loadtest.chaos.memory_attacks`."""

import contextlib
import io
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from loadtest.chaos.memory_attacks import another, flat_png, hold_uploads, read_slowly, send_together
from loadtest.shared.process_family import resident_mib
from testbed.encoded_pictures import encoded, noise

MIB = 2**20
BUDGET_MIB = 256
HALF_CLEAR = (200, 120, 180, 128)
BESIDE_MIB = 96  # what is not counted: allocators, sockets, bands of rows
CGROUPS = Path("/sys/fs/cgroup/memory")


class Watched:
    """A frontend whose memory is watched: by the kernel where it lets us, and else by its own word.

    Args:
        server: The frontend.
        folder: A memory cgroup that is its own, or None.
    """

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.base_mib = self.now_mib()

    def processes(self):
        return [psutil.Process(self.server.pid), *self.server.family()]

    def now_mib(self):
        return sum(resident_mib(each.pid) for each in self.processes())

    def peak_mib(self):
        """Above the base, the most since the start, of all its processes."""
        peak = 0.0
        for each in self.processes():
            status = Path(f"/proc/{each.pid}/status").read_text()
            peak += int(status.split("VmHWM:")[1].split()[0]) / 1024
        return peak - self.base_mib

    def healthy_again(self):
        """Back to the base, never killed, and a picture is answered as ever."""
        deadline = time.monotonic() + 30
        while self.now_mib() > self.base_mib + BESIDE_MIB:
            assert time.monotonic() < deadline, f"{self.now_mib()} MiB, at the start {self.base_mib}"
            time.sleep(0.1)
        assert upload(self.server, encoded(noise())).status_code == 200
        if self.folder is not None:
            assert (self.folder / "memory.oom_control").read_text().split()[-1] == "0"


@pytest.fixture
def watch(tmp_path):
    """Puts a frontend into a memory cgroup of that limit, where this may be done."""
    with contextlib.ExitStack() as made:

        def begin(server, limit_mib):
            folder = CGROUPS / f"oncoserve_test_{server.pid}"
            try:
                folder.mkdir()
            except OSError:
                return Watched(server, None)
            made.callback(empty, folder)
            (folder / "memory.limit_in_bytes").write_text(str(limit_mib * MIB))
            watched = Watched(server, folder)
            for each in watched.processes():
                (folder / "cgroup.procs").write_text(str(each.pid))
            return watched

        yield begin


def empty(folder):
    """Give the processes back to the cgroup above, without which it cannot go."""
    for pid in (folder / "cgroup.procs").read_text().split():
        (folder.parent / "cgroup.procs").write_text(pid)
    folder.rmdir()


def upload(server, picture):
    return httpx.post(f"{server.url}/v1/models/seen/predict", content=picture, timeout=60)


def photograph(width, height):
    """A JPEG whose drawings do not get smaller by encoding."""
    buffer = io.BytesIO()
    levels = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(levels).save(buffer, "JPEG", quality=50)
    return buffer.getvalue()


@pytest.fixture
def small(start, server, watch):
    """A frontend with an eighth of the default memory, in two processes."""
    service = start(server.grpc_url, memory_bytes=BUDGET_MIB * MIB, workers=2)
    return watch(service, 640)


@pytest.mark.long
async def test_flat_pictures_of_many_pixels(small):
    """16 of 12 megapixels took more than a gigabyte at once."""
    picture = flat_png(4000, 3000, HALF_CLEAR)
    met = await send_together(small.server.url, "seen", [another(picture) for _ in range(16)])
    assert met == {"200": 16}
    # One at a time in both processes together, but the sum of their peaks has one in each.
    assert small.peak_mib() < 2 * (7 / 8) * BUDGET_MIB / 2 + BESIDE_MIB
    small.healthy_again()


async def test_uploads_held_open(small):
    """12 of 40 MiB; meanwhile a small one is answered."""
    taken = await hold_uploads("127.0.0.1", small.server.port, "seen", 12, 40 * MIB, 4)
    assert taken >= 40 * MIB - 1
    assert small.peak_mib() < BUDGET_MIB / 4 + 2 * BESIDE_MIB
    small.healthy_again()


async def test_slow_readers_of_an_overlay(small):
    """14 of 12 megapixels, each 35 MB as a file."""
    document = upload(small.server, photograph(4000, 3000)).json()
    met = await read_slowly("127.0.0.1", small.server.port, document["links"]["overlay"], 14, 10)
    assert met["HTTP/1.1 200 OK"] >= 1
    assert small.peak_mib() < 3 * BUDGET_MIB / 4 + 2 * BESIDE_MIB
    small.healthy_again()


@pytest.mark.long
async def test_the_defaults_hold_in_the_container_of_compose(start, server, watch):
    """Pictures of 90 megapixels took 0.8 GB for two and 2.1 for six."""
    watched = watch(start(server.grpc_url), 3072)
    picture = flat_png(9500, 9474, HALF_CLEAR)
    assert await send_together(watched.server.url, "seen", [another(picture) for _ in range(4)]) == {"200": 4}
    assert watched.peak_mib() < 1024
    watched.healthy_again()
