"""Which models are served: the server's word and the cards, compared. A mismatch is not ready, with the reason."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from oncoserve.errors import InferenceUnavailable, ModelNotFound, ModelNotReady, PlatformError, VersionNotFound
from oncoserve.inference.backend import InferenceBackend, ModelState
from oncoserve.prediction.model_files import read_cards, served_file
from oncoserve.tasks import task_of_kind
from oncoserve.tasks.base import ServedModel
from oncoserve.tasks.card import Card

log = logging.getLogger(__name__)

EMPTY: Mapping[str, Mapping[str, ServedModel]] = MappingProxyType({})


@dataclass(frozen=True)
class Snapshot:
    """What was found at one look.

    Attributes:
        reachable: whether the inference server answered.
        versions: the models that are ready, by name; of each the versions, by number, oldest first.
        problems: for every other model, and for "inference_server" itself, why not.
    """

    reachable: bool = False
    versions: Mapping[str, Mapping[str, ServedModel]] = field(default_factory=lambda: EMPTY)
    problems: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def models(self) -> Mapping[str, ServedModel]:
        """The newest version of each model that is ready: the one that answers where none is named."""
        return {name: list(versions.values())[-1] for name, versions in self.versions.items()}

    @property
    def ready(self) -> bool:
        """Whether every model is ready, and there is at least one."""
        return self.reachable and bool(self.models) and not self.problems


class Catalogue:
    """The models as of the last look, renewed by `watch`.

    Args:
        backend: the inference server.
        model_repository: the folder with the cards.
        report: told of every look.
    """

    def __init__(
        self, backend: InferenceBackend, model_repository: Path, report: Callable[[Snapshot], None] = lambda _: None
    ) -> None:
        self._backend = backend
        self._folder = model_repository
        self._report = report
        self.snapshot = Snapshot(problems={"inference_server": "not asked yet"})

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """The model of that name, ready to use; its newest version where none is given.

        Raises:
            ModelNotFound: neither the server nor a card knows it.
            VersionNotFound: it is ready, but not in this version.
            ModelNotReady: it is known, and something is wrong with it.
            InferenceUnavailable: nothing is known, since the server does not answer.
        """
        now = self.snapshot
        if name in now.versions:
            if version is not None and version not in now.versions[name]:
                raise VersionNotFound(name, version, now.versions[name])
            return now.models[name] if version is None else now.versions[name][version]
        if name in now.problems and name != "inference_server":
            raise ModelNotReady(name, now.problems[name])
        if not now.reachable:
            raise InferenceUnavailable
        raise ModelNotFound(name, now.models)

    async def refresh(self) -> Snapshot:
        """Look again, and keep what was found. Never raises for what the server or the cards do."""
        try:
            states = await self._backend.models()
        except PlatformError as error:
            # The models stay known: a request then gets the error of the server that is away, not "unknown model".
            known = self.snapshot.versions
            found = Snapshot(reachable=False, versions=known, problems={"inference_server": error.detail})
        else:
            found = await self._compare(states)
        if found.problems != self.snapshot.problems or found.ready != self.snapshot.ready:
            log.info("models", extra={"ready": sorted(found.models), "not_ready": dict(found.problems)})
        self.snapshot = found
        self._report(found)
        return found

    async def _compare(self, states: Sequence[ModelState]) -> Snapshot:
        cards, problems = await asyncio.to_thread(read_cards, self._folder)
        models: dict[str, Mapping[str, ServedModel]] = {}
        known = {state.name: state for state in states}
        for name in sorted(cards.keys() - known.keys()):
            problems[name] = "expected the model in the inference server's repository, got none of that name"
        for name, state in known.items():
            if not state.versions:
                problems[name] = f"the inference server did not load it: {state.reason}"
            elif name not in cards:
                problems.setdefault(name, "expected a card.json, got none")
            else:
                try:
                    models[name] = {each: await self._join(cards[name], each) for each in state.versions}
                except PlatformError as error:
                    problems[name] = error.detail
                except ValueError as error:
                    problems[name] = str(error)
        if not known and not cards:
            problems["inference_server"] = "expected at least one model, got none"
        return Snapshot(reachable=True, versions=MappingProxyType(models), problems=problems)

    async def _join(self, card: Card, version: str) -> ServedModel:
        configuration = await self._backend.configuration(card.name, version)
        task = task_of_kind(card.task)
        if task is None:
            raise ValueError(f"card.json: expected a task that this version knows, got {card.task!r}")
        mismatches = task.mismatches(card, configuration)
        if mismatches:
            raise ValueError("; ".join(mismatches))
        old = self.snapshot.versions.get(card.name, {}).get(version)
        if old and (old.card, old.configuration) == (card, configuration):
            return old  # hashing a large model file again at every look would be work for nothing
        served = await asyncio.to_thread(served_file, self._folder, card.name, version, configuration.file)
        return ServedModel(card, configuration, served.sha256, task, served.precision, served.weights)

    @contextlib.asynccontextmanager
    async def watch(self, interval_s: float) -> AsyncIterator[None]:
        """Look now, and again every `interval_s` seconds, for the length of the block."""

        async def look() -> None:
            while True:
                await asyncio.sleep(interval_s)
                try:
                    await self.refresh()
                except Exception:
                    log.exception("looking at the models failed")  # the next look may succeed

        await self.refresh()
        looking = asyncio.create_task(look())
        try:
            yield
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking
