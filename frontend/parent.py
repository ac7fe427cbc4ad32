"""Keeps the processes of the service running: those that serve, and those that work on jobs. It does neither itself."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping

from frontend.listening import announce, refuse_new_connections
from oncoserve.keys import KeyFile
from oncoserve.runtime import logs, metrics
from oncoserve.runtime.sharing import FOLDER_VARIABLE, SharedFolder, shared_folder
from oncoserve.settings import Settings
from supervision.child import Child
from supervision.heartbeat import Heartbeat
from supervision.keeper import Keeper, Loss
from supervision.stop_signals import block_stop_signals, on_stop_signals

SERVING, WORKING = "frontend", "worker"  # the parts, as the metrics name them
LISTENER_VARIABLE = "ONCOSERVE_LISTENER"
"""The environment variable through which a process learns the descriptor of the listening socket."""

CANNOT_START = 3
NOW = signal.SIGHUP  # which ends a process that is still being loaded, without a word
KILL_AFTER_S = 5.0  # beyond the grace that a process itself keeps

log = logging.getLogger(__name__)


def keep_running(settings: Settings, listener: socket.socket | None = None) -> int:
    """Keep the processes until a signal comes, or until one of them cannot work at all.

    Args:
        settings: how many of which.
        listener: where callers come in; None if none of the processes serves.

    Returns:
        The exit code for this process.
    """
    logs.configure(settings.log_level)
    block_stop_signals()  # until there is somebody to take them
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(shared_folder())
            if listener is not None and settings.api_keys_file is not None:
                KeyFile(settings.api_keys_file, shared=folder.path)  # leaves a copy there
            parent = Parent(settings, folder, listener)
        except OSError as error:
            log.critical("the processes' shared memory cannot be made", extra={"reason": str(error)})
            return CANNOT_START
        return asyncio.run(parent.run())


class Parent:
    """Keeps so many processes as the settings say.

    Args:
        settings: limits and addresses.
        folder: what the processes share.
        listener: where callers come in; None if none of them serves.
    """

    def __init__(self, settings: Settings, folder: SharedFolder, listener: socket.socket | None) -> None:
        self._settings = settings
        self._folder = folder
        self._listener = listener
        os.environ[metrics.FOLDER_VARIABLE] = str(folder.path)
        os.environ[metrics.PLACE_VARIABLE] = "parent"
        metrics.make_files(folder.path, "parent")
        self._metrics = metrics.ProcessMetrics()
        self._metrics.expect_restarts([SERVING, WORKING])
        serving, working = (settings.workers, settings.job_workers) if listener else (0, 1)
        self._serving = [self._keeper(SERVING, number) for number in range(serving)]
        self._working = [self._keeper(WORKING, number) for number in range(working)]
        self._signals: asyncio.Queue[int] = asyncio.Queue()

    async def run(self) -> int:
        """Keep them until a signal comes, or until one of them ends for good.

        Returns:
            The exit code of the one that ended, 0 after a signal.
        """
        on_stop_signals(self._signals.put_nowait)
        async with contextlib.AsyncExitStack() as stack:
            if heartbeat := Heartbeat.from_environment():
                await stack.enter_async_context(heartbeat.beating())
            if self._serving:
                where = self._settings.host, self._settings.port, self._settings.root_path
                announcing = asyncio.create_task(announce(*where))
                stack.callback(announcing.cancel)
            ended = [asyncio.create_task(keeper.run()) for keeper in [*self._serving, *self._working]]
            told = asyncio.create_task(self._signals.get())
            done, _ = await asyncio.wait([*ended, told], return_when=asyncio.FIRST_COMPLETED)
            await self._stop(told.result() if told in done else signal.SIGINT)
            told.cancel()
            await asyncio.gather(*ended)
            return next((task.result() for task in ended if task in done), 0)

    def _keeper(self, part: str, number: int) -> Keeper:
        place = f"{part}-{number}"
        metrics.make_files(self._folder.path, place)
        heartbeat = Heartbeat.create()

        def start() -> Child:
            return self._start(part, place, heartbeat)

        def report(loss: Loss) -> None:
            with contextlib.suppress(OSError):  # no descriptor left: before its start, then
                metrics.forget_gauges(self._folder.path, place)
            self._metrics.restarts.labels(part, loss.cause).inc()
            found = {"part": place, "cause": loss.cause, "reason": loss.detail, "pause_s": loss.pause_s}
            log.error("a process was lost and is started again", extra=found)

        def is_final(code: int, _ran_s: float) -> bool:
            """What has never begun to work is not likely to: its settings are wrong, or a file is missing."""
            return heartbeat.count == 0 and code <= 128 and (part is SERVING or self._listener is None)  # noqa: PLR2004

        return Keeper(part, start, report, heartbeat, is_final)

    def _start(self, part: str, place: str, heartbeat: Heartbeat) -> Child:
        metrics.forget_gauges(self._folder.path, place)
        own: Mapping[str, str] = {
            **heartbeat.environment,
            FOLDER_VARIABLE: str(self._folder.path),
            metrics.FOLDER_VARIABLE: str(self._folder.path),
            metrics.PLACE_VARIABLE: place,
        }
        descriptors = [heartbeat.descriptor, self._folder.lock]
        if part is SERVING and self._listener is not None:
            own = {**own, LISTENER_VARIABLE: str(self._listener.fileno())}
            descriptors.append(self._listener.fileno())
        # A folder named `frontend` where the user happens to be is not ours, if this process does not look there.
        safe = ["-P"] if sys.flags.safe_path else []
        module = "frontend.serving" if part is SERVING else "frontend.working"
        return Child([sys.executable, *safe, "-m", module], {**os.environ, **own}, pass_fds=descriptors)

    async def _stop(self, first: int) -> None:
        """Let them leave: not ready at first, then no longer listening, then gone. A second signal skips the waits."""
        grace_s = self._settings.shutdown_grace_s + KILL_AFTER_S
        ending = [
            asyncio.create_task(keeper.stop(self._settings.drain_s + grace_s if keeper in self._serving else grace_s))
            for keeper in [*self._serving, *self._working]
        ]
        if first == signal.SIGTERM:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.drain_s):
                    await self._signals.get()
        self._close_the_door()
        impatient = asyncio.create_task(self._pass_on())
        await asyncio.gather(*ending)
        impatient.cancel()

    def _close_the_door(self) -> None:
        if self._listener is not None:
            refuse_new_connections(self._listener)
            self._listener.close()
        for keeper in self._serving:
            keeper.signal(NOW)

    async def _pass_on(self) -> None:
        while True:
            await self._signals.get()
            for keeper in self._serving:
                keeper.signal(NOW)
