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
from inference_server.model_keeper import ModelKeeper
from inference_server.repository_changes import RepositoryChanges
from inference_server.restarts import TRITON, Restarts, backend_of
from inference_server.triton_control import ControlFailed, TritonControl, new_secret
from inference_server.triton_log import TritonLog
from inference_server.triton_settings import PREFIX, TritonSettings
from supervision.child import Child
from supervision.heartbeat import Heartbeat
from supervision.keeper import Keeper, Patience

FIRST_POLL_S = 0.1
BEAT_S = 1.0
LOOK_S = 1.0  # between two looks at the repository
SILENT_LOOKS = 8
MOST_VAIN_STARTS, MOST_VAIN_RELOADS = 5, 3  # in a row


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
        self._computes_on = computes_on
        self._say = say
        self._secret = new_secret()
        self._log = TritonLog(settings.log_path)
        self._heart = Heartbeat.create()  # beaten on Triton's behalf, whenever it answers
        self._attending: asyncio.Task[None] | None = None
        self._answers = False
        self._models: dict[str, str] = {}
        self._kept: set[str] = set()  # the models that were served once, and are still wanted
        self._keepers: dict[str, ModelKeeper] = {}
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._changes = RepositoryChanges(settings.model_repository.resolve())
        self._suspected: set[str] = set()
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
        kept = {name: keeper.problem for name, keeper in self._keepers.items()}
        return {model: problem for model, problem in {**self._models, **kept}.items() if problem}

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
        self._changes.begin()
        models = gpu_instances.prepare_repository(self._settings)
        return runtime.command_line(
            self._settings, triton, backends, models, self._secret, all_or_nothing=all_or_nothing
        )

    def _start(self) -> Child:
        self._answers = False
        runtime.remove_own_shared_memory()  # of one that was killed
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
            await self._meet_models(control)
            self._heart.beat()
            self._answers = True
            self.took_s = time.monotonic() - child.started
            if self.served.is_set():
                self._say(f"Back: {TRITON}, after {self.took_s:.1f} s.")
            self.served.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._beat(control))
                self._keepers, self._keeping = {}, {}
                for model in sorted(self._kept):
                    self._keep_from_now_on(model, control, child, tasks)
                tasks.create_task(self._follow(control, child, tasks))
        finally:
            await control.close()

    def _keep_from_now_on(self, model: str, control: TritonControl, child: Child, tasks: asyncio.TaskGroup) -> None:
        keeper = self._keeper_of(model, control, child)
        self._keepers[model] = keeper
        self._keeping[model] = tasks.create_task(self._keep(keeper))

    async def _follow(self, control: TritonControl, child: Child, tasks: asyncio.TaskGroup) -> None:
        """Serve what comes into the repository, and no more what leaves it."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                changes = await asyncio.to_thread(self._changes.look)
            except OSError:  # the disk is away: what is served is served on
                continue
            for model in changes.unload:
                await self._leave_off(model)
                self._kept.discard(model)
                self._models.pop(model, None)
                with contextlib.suppress(ControlFailed):  # it is going itself
                    await control.unload(model, self._settings.startup_timeout_s)
                self._say(f"Gone: {model} is not served any more.")
            for model in changes.load:
                if await self._take_in(model, control):
                    self._keep_from_now_on(model, control, child, tasks)

    async def _take_in(self, model: str, control: TritonControl) -> bool:
        """Load a model that is new. One that cannot be loaded takes nothing away."""
        self._say(f"New: {model} is loaded and warmed up ...")
        try:
            await asyncio.to_thread(gpu_instances.prepare_model, self._settings, model)
            await control.load(model, self._settings.startup_timeout_s)
        except (ControlFailed, OSError) as error:
            self._changes.refused(model)
            reason = str(error).partition(chr(10))[0]
            self._say(f"Refused: {model} cannot be loaded: {reason} The others are served on.")
            return False
        self._models[model] = ""
        self._kept.add(model)
        self._restarts.expect([backend_of(model)])
        self._say(f"Served: {model}.")
        return True

    async def _leave_off(self, model: str) -> None:
        """Keep a model no longer."""
        self._keepers.pop(model, None)
        if task := self._keeping.pop(model, None):
            task.cancel()
            await asyncio.wait({task})

    async def _keep(self, keeper: ModelKeeper) -> None:
        """Keep one model; a defect of ours in that must not end the watch over the others and over Triton."""
        problem = self._models[keeper.model]
        while True:
            try:
                await keeper.run(problem)
            except Exception as error:  # noqa: BLE001 - whatever it is
                self._say(f"Watching {keeper.model} failed ({error!r}). It is watched anew.")
            problem = ""
            await asyncio.sleep(BEAT_S)

    async def _beat(self, control: TritonControl) -> None:
        while True:
            if await control.is_live():
                self._heart.beat()
            await asyncio.sleep(BEAT_S)

    async def _meet_models(self, control: TritonControl) -> None:
        """Ask what it serves; that is what it is held to from then on."""
        while True:
            with contextlib.suppress(ControlFailed):  # it ends, or is given up by who counts its heartbeats
                self._models = await control.models()
                self.version = await control.version()
                break
            await asyncio.sleep(FIRST_POLL_S)
        loaded = {model for model, problem in self._models.items() if not problem}
        self._restarts.expect(map(backend_of, loaded - self._kept))
        self._kept |= loaded
        for model in self._kept:
            self._models.setdefault(model, "its folder is gone")

    def _keeper_of(self, model: str, control: TritonControl, child: Child) -> ModelKeeper:
        return ModelKeeper(
            model,
            gpu_instances.served_repository(self._settings) / model,
            child,
            control,
            self._restarts.report,
            self._reloaded,
            self._computes_on,
            self._settings.startup_timeout_s,
        )

    async def _reloaded(self, model: str, vain: int) -> None:
        """Start Triton anew when it cannot load a model again; but once, until that one was back.

        Args:
            model: What had to be loaded again.
            vain: How often that was in vain, in a row; 0 if it is back.
        """
        if not vain:
            self._say(f"Back: {backend_of(model)}.")
            self._suspected.discard(model)
        elif vain == MOST_VAIN_RELOADS and model not in self._suspected:
            self._suspected.add(model)
            await self._keeper.replace(f"it could not load {model} again")
