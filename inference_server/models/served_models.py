"""The models that one Triton after another serves: each is kept, and the repository is followed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from inference_server.devices import gpu_instances
from inference_server.models import version_policy
from inference_server.models.model_keeper import ModelKeeper
from inference_server.models.repository_changes import RepositoryChanges
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
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._changes = RepositoryChanges(settings.model_repository.resolve())
        self._suspected: set[str] = set()

    def problems(self) -> dict[str, str]:
        """Why callers would get no answer of a model; empty if they would."""
        kept = {name: keeper.problem for name, keeper in self._keepers.items()}
        return {model: problem for model, problem in {**self._met, **kept}.items() if problem}

    def begin(self) -> None:
        """A Triton is about to read the repository."""
        self._changes.begin()

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
        self._keepers, self._keeping = {}, {}
        async with asyncio.TaskGroup() as tasks:
            for model in sorted(self._kept):
                self._keep(model, control, triton, tasks)
            while True:
                await asyncio.sleep(LOOK_S)
                try:
                    changes = await asyncio.to_thread(self._changes.look)
                except OSError:  # the disk is away: what is served is served on
                    continue
                for model in changes.unload:
                    await self._take_out(model, control)
                for model in changes.load:
                    await self._leave(model)
                    await self._take_in(model, control)
                    if model in self._kept:
                        self._keep(model, control, triton, tasks)

    async def _take_in(self, model: str, control: TritonControl) -> None:
        """Load a model that is new, or new versions of one. What cannot be loaded takes nothing away."""
        self._say(f"New: {model} is loaded and warmed up ...")
        try:
            await asyncio.to_thread(gpu_instances.prepare_model, self._settings, model)
            await control.load(model, self._settings.startup_timeout_s)
        except (ControlFailed, OSError) as error:
            self._changes.refused(model)
            await self._refuse(model, str(error).partition(chr(10))[0], control)
            return
        self._versions.pop(model, None)
        if model not in self._kept:
            self._restarts.expect([backend_of(model)])
        self._met[model] = ""
        self._kept.add(model)
        with contextlib.suppress(ControlFailed):
            self._say(f"Served: {model}, version {_in_words(await control.versions(model))}.")

    async def _refuse(self, model: str, reason: str, control: TritonControl) -> None:
        served: Sequence[int] = ()
        with contextlib.suppress(ControlFailed):  # it is going: the next one tries it
            served = await control.versions(model)
        if served:  # and loaded again when it is lost, which it could not be with the version that was refused
            self._versions[model] = served
        then = f"Version {_in_words(served)} of it is served on." if served else "The others are served on."
        self._say(f"Refused: {model} cannot be loaded: {reason} {then}")

    async def _take_out(self, model: str, control: TritonControl) -> None:
        await self._leave(model)
        self._kept.discard(model)
        self._met.pop(model, None)
        self._versions.pop(model, None)
        with contextlib.suppress(ControlFailed):  # it is going itself
            await control.unload(model, self._settings.startup_timeout_s)
        self._say(f"Gone: {model} is not served any more.")

    def _keep(self, model: str, control: TritonControl, triton: Child, tasks: asyncio.TaskGroup) -> None:
        """Keep a model from now on."""
        keeper = ModelKeeper(
            model,
            gpu_instances.served_repository(self._settings) / model,
            triton,
            control,
            self._restarts.report,
            partial(self._reload, model, control),
            self._reloaded,
            self._computes_on,
        )
        self._keepers[model] = keeper
        self._keeping[model] = tasks.create_task(self._keep_well(keeper))

    async def _leave(self, model: str) -> None:
        """Keep a model no longer."""
        self._keepers.pop(model, None)
        if task := self._keeping.pop(model, None):
            task.cancel()
            await asyncio.wait({task})

    async def _keep_well(self, keeper: ModelKeeper) -> None:
        """Keep one model; a defect of ours in that must not end the watch over the others and over Triton."""
        problem = self._met[keeper.model]
        while True:
            try:
                await keeper.run(problem)
            except Exception as error:  # noqa: BLE001 - whatever it is
                self._say(f"Watching {keeper.model} failed ({error!r}). It is watched anew.")
            problem = ""
            await asyncio.sleep(PAUSE_S)

    async def _reload(self, model: str, control: TritonControl) -> None:
        """Load a model again: of its versions those that were served."""
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


def _in_words(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions))
