"""Keeps Triton running, and every model in it."""

import asyncio
import contextlib
import math
import signal
import time
from collections.abc import Callable

from inference_server import runtime
from inference_server.devices import gpu_instances
from inference_server.launch_errors import LaunchError
from inference_server.models.backend_processes import reap_orphans
from inference_server.models.served_models import ServedModels
from inference_server.restarts import TRITON, Restarts
from inference_server.triton_control import ControlFailed, TritonControl, new_secret
from inference_server.triton_log import TritonLog
from inference_server.triton_settings import PREFIX, TritonSettings
from supervision.child import Child
from supervision.heartbeat import Heartbeat
from supervision.keeper import Keeper, Patience

FIRST_POLL_S = 0.1
BEAT_S = 1.0
SILENT_LOOKS = 8
MOST_VAIN_STARTS = 5  # in a row


class TritonKeeper:
    """Starts Triton, and starts it again when it has ended or gives no sign of life.

    Args:
        settings: Where and what to serve.
        restarts: Told of each loss.
        computes_on: Told a model and the device that it computes on.
        say: Tells the user something.
    """

    def __init__(
        self,
        settings: TritonSettings,
        restarts: Restarts,
        computes_on: Callable[[str, str], None],
        say: Callable[[str], None],
    ) -> None:
        self.served = asyncio.Event()
        """Set when every model was ready for the first time, or tried if some may be missing."""
        self.version = ""
        self.took_s = 0.0
        """Seconds from its last start until it served."""
        self._settings = settings
        self._restarts = restarts
        self._say = say
        self._secret = new_secret()
        self._log = TritonLog(settings.log_path)
        self._heart = Heartbeat.create()  # beaten on Triton's behalf, whenever it answers
        self._attending: asyncio.Task[None] | None = None
        self._answers = False
        self._models = ServedModels(settings, restarts, computes_on, self._replace, say)
        self._keeper = Keeper(
            TRITON,
            self._start,
            restarts.report,
            self._heart,
            is_final=lambda _code, _ran_s: not self.served.is_set(),
            patience=Patience(
                silent_looks=SILENT_LOOKS,
                first_looks=math.ceil(settings.startup_timeout_s),
                most_vain_starts=MOST_VAIN_STARTS,
            ),
        )

    @property
    def is_live(self) -> bool:
        """Whether it serves what it could load."""
        return self._answers and self._keeper.child is not None and self._keeper.child.exit_code is None

    def problems(self) -> dict[str, str]:
        """Why callers would get no answer, for Triton as a whole or for a model; empty if they would."""
        if not self.is_live:
            return {TRITON: "it is being started"}
        return self._models.problems()

    async def run(self) -> int:
        """Keep it until `stop`, until its first start fails, or until it cannot be started again.

        Returns:
            Its last exit code.
        """
        try:
            return await self._keeper.run()
        finally:
            await self._leave()

    def retire(self) -> None:
        """Start it no more when it ends."""
        self._keeper.retire()

    async def stop(self, grace_s: float) -> None:
        """End it, and start it no more: SIGTERM, after `grace_s` seconds SIGKILL."""
        self.retire()
        await self._leave()
        await self._keeper.stop(grace_s)
        self._log.finish()

    def check(self) -> None:
        """Find out whether it can be started, before it is.

        Raises:
            LaunchError: It is not installed, or its folder cannot be written.
        """
        try:
            self._command()
            if self._settings.log_file is None:
                self._settings.log_path.write_bytes(b"")
        except OSError as error:
            raise LaunchError(
                f"Cannot prepare Triton in {self._settings.home} ({PREFIX}WORK_DIRECTORY): {error}"
            ) from error

    def _command(self) -> list[str]:
        triton = runtime.locate()
        if not self._settings.model_repository.is_dir():  # it would start all the same, and answer nothing
            raise FileNotFoundError(f"there is no model repository {self._settings.model_repository.resolve()}")
        backends = runtime.assemble_backends(triton, self._settings.home)
        # Once it has served, one model that can no longer be loaded must not keep the others away.
        all_or_nothing = self._settings.exit_on_error and not self.served.is_set()
        load = self._models.begin()
        models = gpu_instances.prepare_repository(self._settings)
        return runtime.command_line(
            self._settings, triton, backends, models, load, self._secret, all_or_nothing=all_or_nothing
        )

    def _start(self) -> Child:
        self._answers = False
        runtime.remove_own_shared_memory()  # of one that was killed
        reap_orphans()
        try:
            command, env = self._command(), runtime.environment(self._settings)
        except LaunchError as error:
            raise OSError(str(error)) from error
        with self._log.opened() as log:
            # SIGKILL: asked to end, it may wait for ever for a backend that does not answer, and keep the ports.
            child = Child(command, env, cwd=self._settings.home, output=log, death_signal=signal.SIGKILL)
        self._attending = asyncio.create_task(self._attend(child))
        return child

    async def _leave(self) -> None:
        if self._attending is not None:
            self._attending.cancel()
            await asyncio.wait({self._attending})

    async def _attend(self, child: Child) -> None:
        """Watch one Triton until it ends."""
        tasks = {asyncio.create_task(self._watch(child)), asyncio.create_task(child.exited())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _watch(self, child: Child) -> None:
        control = TritonControl(self._settings.address, self._secret)
        try:
            while not await control.is_live():  # noqa: ASYNC110 - only Triton can say so
                await asyncio.sleep(FIRST_POLL_S)
            await self._ask_version(control)
            await self._models.meet(control)
            self._heart.beat()
            self._answers = True
            self.took_s = time.monotonic() - child.started
            if self.served.is_set():
                self._say(f"Back: {TRITON}, after {self.took_s:.1f} s.")
            self.served.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._beat(control))
                tasks.create_task(self._models.keep(control, child))
        finally:
            await control.close()

    async def _replace(self, reason: str) -> None:
        await self._keeper.replace(reason)

    async def _beat(self, control: TritonControl) -> None:
        while True:
            if await control.is_live():
                self._heart.beat()
            await asyncio.sleep(BEAT_S)

    async def _ask_version(self, control: TritonControl) -> None:
        while True:
            with contextlib.suppress(ControlFailed):  # it ends, or is given up by who counts its heartbeats
                self.version = await control.version()
                return
            await asyncio.sleep(FIRST_POLL_S)
