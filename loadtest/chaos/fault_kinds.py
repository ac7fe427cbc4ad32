"""What is done to a service: each fault is a block, in which it lasts."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import psutil

from loadtest.chaos import hangups, memory_attacks
from loadtest.chaos.whole_service import MODELS, HurtService

CGROUP: Final = Path("/sys/fs/cgroup/memory/oncoserve-chaos")  # version 1; without it the process's own limit is set
ROOM_BYTES: Final = 256 * 2**10  # beyond what it has
IDLE: Final = 620
DAYS: Final = 8


@dataclass(frozen=True)
class Scene:
    """What a fault needs.

    Attributes:
        service: To be hurt.
        role: Of the processes that are hurt; empty for the service as a whole.
        seconds: How long the fault lasts.
        clock: The file that faketime reads, where the service runs under it.
    """

    service: HurtService
    role: str
    seconds: float
    clock: Path | None = None
    notes: list[str] = field(default_factory=list)

    def victims(self) -> list[int]:
        """The processes of the role."""
        return [*self.service.pids(self.role)]


Doing = Callable[[Scene], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def kill(scene: Scene) -> AsyncIterator[None]:
    """SIGKILL to one process of the role."""
    for pid in scene.victims()[:1]:
        os.kill(pid, signal.SIGKILL)
    yield


@asynccontextmanager
async def freeze(scene: Scene) -> AsyncIterator[None]:
    """SIGSTOP to one process of the role, and SIGCONT at the end where it is still there."""
    stopped = [psutil.Process(pid) for pid in scene.victims()[:1]]
    for process in stopped:
        process.suspend()

    async def go_on() -> None:
        await asyncio.sleep(scene.seconds)
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    later = asyncio.create_task(go_on())
    try:
        yield
        await later
    finally:
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


@asynccontextmanager
async def starve(scene: Scene) -> AsyncIterator[None]:
    """No more memory for one process of the role: the kernel ends it, or it has to do without.

    Large pictures come meanwhile, since a process that only does what it did before needs no more than it has.
    """
    victims = scene.victims()[:1]
    grouped = os.access(CGROUP.parent, os.W_OK)
    if grouped:
        CGROUP.mkdir(exist_ok=True)
        (CGROUP / "memory.limit_in_bytes").write_text(str(ROOM_BYTES))
    before = {pid: resource.prlimit(pid, resource.RLIMIT_AS) for pid in victims}
    for pid in victims:
        if grouped:
            (CGROUP / "cgroup.procs").write_text(str(pid))
        else:
            has = psutil.Process(pid).memory_info().vms
            resource.prlimit(pid, resource.RLIMIT_AS, (has + ROOM_BYTES, before[pid][1]))
    feeding = asyncio.create_task(_send_large(scene))
    try:
        yield
    finally:
        await asyncio.gather(feeding, return_exceptions=True)
        ended = sum(not psutil.pid_exists(pid) for pid in victims)
        scene.notes.append("it was ended by the kernel" if ended else "it did with what it had")
        if grouped:
            (CGROUP / "memory.limit_in_bytes").write_text("-1")
            for number in (CGROUP / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    (CGROUP.parent / "cgroup.procs").write_text(number)
            with contextlib.suppress(OSError):  # what has just ended may still be in it
                CGROUP.rmdir()
        else:
            for pid in victims:
                with contextlib.suppress(ProcessLookupError):
                    resource.prlimit(pid, resource.RLIMIT_AS, before[pid])


async def _send_large(scene: Scene) -> None:
    """Pictures of four megapixels, as uploads and as jobs."""
    png = memory_attacks.flat_png(2000, 2000)
    until = asyncio.get_running_loop().time() + scene.seconds
    async with httpx.AsyncClient(base_url=scene.service.url, timeout=10) as http:
        while asyncio.get_running_loop().time() < until:
            for headers in ({}, {"Prefer": "respond-async"}):
                path, picture = f"/v1/models/{MODELS[0]}/predict", memory_attacks.another(png)
                with contextlib.suppress(httpx.HTTPError):
                    await http.post(path, content=picture, headers=headers)


def _filled(place: Callable[[HurtService], Path]) -> Doing:
    @asynccontextmanager
    async def fill(scene: Scene) -> AsyncIterator[None]:
        ballast = place(scene.service) / "ballast"
        await asyncio.to_thread(_fill, ballast)
        await asyncio.sleep(scene.seconds)
        ballast.unlink()
        yield

    return fill


def _fill(ballast: Path) -> None:
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):  # to the last byte
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


fill_data = _filled(lambda service: service.results.parent)
fill_temporary = _filled(lambda service: service.temporary)


@asynccontextmanager
async def stuck_output(scene: Scene) -> AsyncIterator[None]:
    """Nobody reads what the service writes."""
    scene.service.leave_output_unread()
    try:
        yield
    finally:
        scene.service.read_output()


def _jumped(offset: str) -> Doing:
    @asynccontextmanager
    async def jump(scene: Scene) -> AsyncIterator[None]:
        assert scene.clock is not None  # noqa: S101 - such faults are left out without one
        scene.clock.write_text(offset)
        try:
            yield
        finally:
            scene.clock.write_text("+0")
            await asyncio.sleep(1)

    return jump


jump_ahead = _jumped(f"+{DAYS}d")
jump_back = _jumped("-1h")


@asynccontextmanager
async def idle_connections(scene: Scene) -> AsyncIterator[None]:
    """Connections that ask nothing, and such whose heads never end, opened again as they are closed."""
    held = [asyncio.create_task(_hold(scene, b"" if number % 2 else b"GET / HT")) for number in range(IDLE)]
    try:
        yield
    finally:
        for each in held:
            each.cancel()
        await asyncio.gather(*held, return_exceptions=True)


async def _hold(scene: Scene, sent: bytes) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", scene.service.port, family=socket.AF_INET)
            try:
                writer.write(sent)
                await reader.read()
            finally:
                writer.transport.abort()
        await asyncio.sleep(1)


@asynccontextmanager
async def hang_up(scene: Scene) -> AsyncIterator[None]:
    """Callers who hang up in every phase of a request, over HTTP and gRPC, and such with short deadlines."""
    met = await hangups.hang_up(scene.service.url, scene.service.grpc_url, scene.seconds)
    scene.notes.append(", ".join(f"{name} {count}" for name, count in sorted(met.items())))
    yield


@asynccontextmanager
async def memory_flat(scene: Scene) -> AsyncIterator[None]:
    """Flat pictures of many pixels, all at once."""
    png = memory_attacks.flat_png(9000, 9000)
    pictures = [memory_attacks.another(png) for _ in range(32)]
    met = await memory_attacks.send_together(scene.service.url, MODELS[0], pictures)
    scene.notes.append(", ".join(f"{name} {count}" for name, count in sorted(met.items())))
    yield


@asynccontextmanager
async def memory_uploads(scene: Scene) -> AsyncIterator[None]:
    """Large uploads that are held open without their last byte."""
    args = "127.0.0.1", scene.service.port, MODELS[0], 12, 240 * 2**20, scene.seconds
    taken = await memory_attacks.hold_uploads(*args)
    scene.notes.append(f"{taken / 2**20:.0f} MiB were taken")
    yield
