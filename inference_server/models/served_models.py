"""The models that one Triton after another serves: each is kept, and the repository is followed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from inference_server.devices import gpu_instances
from inference_server.launch_errors import LaunchError
from inference_server.models import version_policy
from inference_server.models.model_keeper import ModelKeeper
from inference_server.models.repository_changes import RepositoryChanges, fault_of
from inference_server.restarts import Restarts, backend_of
from inference_server.triton_control import ControlFailed, TritonControl
from inference_server.triton_settings import TritonSettings
from supervision.child import Child

LOOK_S = 1.0  # between two looks at the repository
PAUSE_S = 1.0  # before what failed is tried again
FIRST_POLL_S = 0.1
MOST_VAIN_RELOADS = 3  # in a row


class ServedModels:
    """What is served, and what has to be served again when it was lost.

    Args:
        settings: Where and what to serve.
        restarts: Told of each loss.
        computes_on: Told a model and the device that it computes on.
        replace: Starts Triton anew; told why.
        say: Tells the user something.
    """

    def __init__(
        self,
        settings: TritonSettings,
        restarts: Restarts,
        computes_on: Callable[[str, str], None],
        replace: Callable[[str], Awaitable[None]],
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._restarts = restarts
        self._computes_on = computes_on
        self._replace = replace
        self._say = say
        self._met: dict[str, str] = {}
        self._kept: set[str] = set()  # the models that were served once, and are still wanted
        self._versions: dict[str, Sequence[int]] = {}  # that were served when another could not be loaded
        self._keepers: dict[str, ModelKeeper] = {}
        self._working: dict[str, asyncio.Task[None]] = {}  # by model, the one thing that is under way about it
        self._changes = RepositoryChanges(settings.model_repository.resolve())
        self._suspected: set[str] = set()

    def problems(self) -> dict[str, str]:
        """Why callers would get no answer of a model; empty if they would."""
        kept = {name: keeper.problem for name, keeper in self._keepers.items()}
        return {model: problem for model, problem in {**self._met, **kept}.items() if problem}

    def begin(self) -> Sequence[str]:
        """A Triton is about to read the repository: the models that it is to load, "*" for all.

        Raises:
            LaunchError: One is none that it could be given, and nothing was served yet.
            OSError: The repository cannot be read.
        """
        self._changes.begin()
        folders = [each for each in self._settings.model_repository.iterdir() if each.is_dir()]
        faults = {each.name: fault_of(each) for each in folders if not each.name.startswith(".")}
        unfit = {name: fault for name, fault in faults.items() if fault}
        if unfit and not self._kept:
            name, fault = min(unfit.items())
            raise LaunchError(f"{self._settings.model_repository / name} cannot be served: {fault}.")
        return sorted(set(faults) - set(unfit)) if unfit else ["*"]

    async def meet(self, control: TritonControl) -> None:
        """Ask a Triton that has started what it serves; that is what it is held to from then on."""
        while True:
            with contextlib.suppress(ControlFailed):  # it ends, or is given up by who counts its heartbeats
                self._met = await control.models()
                break
            await asyncio.sleep(FIRST_POLL_S)
        loaded = {model for model, problem in self._met.items() if not problem}
        self._restarts.expect(map(backend_of, loaded - self._kept))
        self._kept |= loaded
        for model in loaded:
            self._versions.pop(model, None)  # as it is in the repository, whole
        for model in self._kept:
            self._met.setdefault(model, "its folder is gone")

    async def keep(self, control: TritonControl, triton: Child) -> None:
        """Keep the models of a Triton that was met, and follow the repository, until this is cancelled."""
        self._keepers, self._working = {}, {}
        async with asyncio.TaskGroup() as tasks:
            for model in sorted(self._kept):
                self._begin(tasks, model, partial(self._keep, model, control, triton))
            while True:
                await asyncio.sleep(LOOK_S)
                try:
                    changes = await asyncio.to_thread(self._changes.look)
                except OSError:  # the disk is away: what is served is served on
                    continue
                for model, fault in changes.unfit:
                    self._say(f"Refused: {model!a} is not loaded: {fault}. The others are served on.")
                for model in changes.unload:
                    self._begin(tasks, model, partial(self._take_out, model, control))
                for model in changes.load:
                    self._begin(tasks, model, partial(self._take_in, model, control, triton))

    def _begin(self, tasks: asyncio.TaskGroup, model: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do something about a model, in place of what is under way about it; no other model waits for that.

        A defect of ours in it must not end the watch over the others and over Triton.
        """
        before = self._working.get(model)

        async def begun() -> None:
            if before is not None:
                before.cancel()
                await asyncio.wait({before})
            self._keepers.pop(model, None)
            while True:
                try:
                    return await work()
                except Exception as error:  # noqa: BLE001 - whatever it is
                    self._say(f"Watching {model} failed ({error!r}). It is watched anew.")
                await asyncio.sleep(PAUSE_S)

        self._working[model] = tasks.create_task(begun())

    async def _take_in(self, model: str, control: TritonControl, triton: Child) -> None:
        """Load a model that is new, or new versions of one, and keep it. What cannot be loaded takes nothing away."""
        self._say(f"New: {model} is loaded and warmed up ...")
        try:
            await asyncio.to_thread(gpu_instances.prepare_model, self._settings, model)
            await control.load(model, self._settings.startup_timeout_s)
        except (ControlFailed, OSError) as error:
            self._changes.refused(model)
            await self._refuse(model, _sentence(str(error)), control)
        else:
            self._versions.pop(model, None)
            if model not in self._kept:
                self._restarts.expect([backend_of(model)])
            self._met[model] = ""
            self._kept.add(model)
            with contextlib.suppress(ControlFailed):
                self._say(f"Served: {model}, version {_in_words(await control.versions(model))}.")
        if model in self._kept:
            await self._keep(model, control, triton)

    async def _refuse(self, model: str, reason: str, control: TritonControl) -> None:
        served: Sequence[int] = ()
        with contextlib.suppress(ControlFailed):  # it is going: the next one tries it
            served = await control.versions(model)
        if served:  # and loaded again when it is lost, which it could not be with the version that was refused
            self._versions[model] = served
        then = f"Version {_in_words(served)} of it is served on." if served else "The others are served on."
        self._say(f"Refused: {model} cannot be loaded: {reason} {then}")

    async def _take_out(self, model: str, control: TritonControl) -> None:
        self._kept.discard(model)
        self._met.pop(model, None)
        self._versions.pop(model, None)
        with contextlib.suppress(ControlFailed):  # it is going itself
            await control.unload(model, self._settings.startup_timeout_s)
        self._say(f"Gone: {model} is not served any more.")

    async def _keep(self, model: str, control: TritonControl, triton: Child) -> None:
        self._keepers[model] = keeper = ModelKeeper(
            model,
            gpu_instances.served_repository(self._settings) / model,
            triton,
            control,
            self._restarts.report,
            partial(self._reload, model, control),
            self._reloaded,
            self._computes_on,
        )
        problem, self._met[model] = self._met[model], ""
        await keeper.run(problem)

    async def _reload(self, model: str, control: TritonControl) -> None:
        """Load a model again: of its versions those that were served."""
        try:
            fault = await asyncio.to_thread(fault_of, self._settings.model_repository / model)
        except OSError as error:
            fault = str(error.strerror)
        if fault:
            raise ControlFailed(fault)
        configuration = ""
        if versions := self._versions.get(model):
            configuration = await asyncio.to_thread(version_policy.only, self._settings, model, versions)
        await control.reload(model, self._settings.startup_timeout_s, configuration)

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
            await self._replace(f"it could not load {model} again")


def _sentence(reason: str) -> str:
    """The first line of what Triton says, with a full stop."""
    return reason.partition("\n")[0].rstrip(" ;.") + "."


def _in_words(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions))
