"""Which models are served: the server's word, the cards and what each model answers, compared.

A model that cannot answer, or that is not what its files say, is not ready, with the reason.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from oncoserve.errors import InferenceUnavailable, ModelNotFound, ModelNotReady, PlatformError, VersionNotFound
from oncoserve.inference.backend import InferenceBackend, ModelConfiguration, ModelState
from oncoserve.inference.canary import Canaries, Vitals
from oncoserve.prediction.model_files import Cards, Graphs, check_labels, read_cards
from oncoserve.tasks import task_of_kind
from oncoserve.tasks.base import ServedModel, Task
from oncoserve.tasks.card import Card

T = TypeVar("T")

log = logging.getLogger(__name__)

SERVER = "inference_server"  # among the problems, beside the models

EMPTY: Mapping[str, Mapping[str, ServedModel]] = MappingProxyType({})


@dataclass(frozen=True)
class Snapshot:
    """What was found at one look.

    Attributes:
        reachable: whether the inference server answered.
        versions: the models that are ready, by name; of each the versions, by number, oldest first.
        problems: for every other model, and for "inference_server" itself, why not.
        arriving: of those, the models that came while others were served, and were never ready yet.
    """

    reachable: bool = False
    versions: Mapping[str, Mapping[str, ServedModel]] = field(default_factory=lambda: EMPTY)
    problems: Mapping[str, str] = field(default_factory=dict)
    arriving: frozenset[str] = frozenset()

    @cached_property
    def models(self) -> Mapping[str, ServedModel]:
        """The newest version of each model that is ready: the one that answers where none is named."""
        return {name: list(versions.values())[-1] for name, versions in self.versions.items()}

    @property
    def ready(self) -> bool:
        """Whether every model is ready, and there is at least one; one that arrives is not waited for."""
        return self.reachable and bool(self.models) and not self.problems.keys() - self.arriving


class Catalogue:
    """The models as of the last look, renewed by `watch`.

    Args:
        backend: the inference server.
        model_repository: the folder with the cards.
        report: told of every look.
        canaries: hear of every answer of `backend`; left out, of none.
    """

    def __init__(
        self,
        backend: InferenceBackend,
        model_repository: Path,
        report: Callable[[Snapshot], None] = lambda _: None,
        canaries: Canaries | None = None,
    ) -> None:
        self._backend = backend
        self._folder = model_repository
        self._report = report
        self._canaries = canaries or Canaries(backend)
        self._graphs = Graphs()
        self._vitals: dict[str, list[Vitals]] = {}
        self._looking = asyncio.Lock()
        self._relied_on: set[str] | None = None  # the models that callers may count on; none are known at first
        self.snapshot = Snapshot(problems={SERVER: "not asked yet"})

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
            if problem := self._problem(name):
                raise ModelNotReady(name, problem) if now.reachable else InferenceUnavailable
            if version is not None and version not in now.versions[name]:
                raise VersionNotFound(name, version, now.versions[name])
            return now.models[name] if version is None else now.versions[name][version]
        if name in now.problems and name != SERVER:
            raise ModelNotReady(name, now.problems[name])
        if not now.reachable:
            raise InferenceUnavailable
        raise ModelNotFound(name, now.models)

    async def successor(self, model: ServedModel) -> ServedModel | None:
        """The version that took the place of one, if it answers the same kind of question; one look for all who ask."""
        seen = self.snapshot
        async with self._looking:
            if self.snapshot is seen:
                await self.refresh()
        try:
            found = self.get(model.name)
        except PlatformError:
            return None
        return found if found.version != model.version and found.task is model.task else None

    def answers(self, name: str) -> bool:
        """Whether the model is ready, as far as is known at this moment."""
        now = self.snapshot
        return now.reachable and name in now.models and not self._problem(name)

    async def ask(self, name: str, *, full: bool) -> bool:
        """Whether the model answers a canary that is sent now; `full`: one that runs the graph."""
        await self.refresh()
        if not self.answers(name):
            return False
        return all(await _together(vitals.ask(full=full) for vitals in self._vitals[name]))

    def _problem(self, name: str) -> str:
        """Why the model cannot answer at this moment; empty if it can."""
        return next((vitals.problem for vitals in self._vitals.get(name, ()) if vitals.problem), "")

    async def refresh(self) -> Snapshot:
        """Look again, and keep what was found. Never raises for what the server or the cards do."""
        try:
            found = await self._compare(await self._backend.models())
        except PlatformError as error:
            # Also where the server went away between two questions of one look. The models stay known: a request then
            # gets the error of the server that is away, not "unknown model", and what is stored is answered.
            known = self.snapshot.versions
            found = Snapshot(reachable=False, versions=known, problems={SERVER: error.detail})
        if found.problems != self.snapshot.problems or found.ready != self.snapshot.ready:
            log.info("models", extra={"ready": sorted(found.models), "not_ready": dict(found.problems)})
        self.snapshot = found
        self._report(found)
        return found

    async def _compare(self, states: Sequence[ModelState]) -> Snapshot:
        """What the server's models are beside the cards.

        Raises:
            InferenceUnavailable: the server has gone away meanwhile.
        """
        cards, problems = await asyncio.to_thread(read_cards, self._folder)
        if cards.pop(SERVER, None) or problems.pop(SERVER, None):  # what is said of the server is not of a folder
            problems[f"{SERVER}/"] = "expected another name of the folder: this one stands for the server itself"
        known = {state.name: state for state in states if state.name != SERVER}
        names = sorted(cards.keys() | known.keys())
        looks = await _together(self._look(name, cards.get(name), known.get(name)) for name in names)
        models = {name: found for name, found in zip(names, looks, strict=True) if not isinstance(found, str)}
        for name, found in zip(names, looks, strict=True):
            if isinstance(found, str):
                problems.setdefault(name, found)
        if not names:
            problems[SERVER] = "expected at least one model, got none"
        arriving = self._arriving({*names, *problems} - {SERVER}, models.keys())
        return Snapshot(reachable=True, versions=MappingProxyType(models), problems=problems, arriving=arriving)

    def _arriving(self, there: Collection[str], ready: Collection[str]) -> frozenset[str]:
        """The models of all that are there which nobody can count on yet.

        Those of the first look are counted on, ready or not; a later one from when it is ready for the first time on.
        """
        if self._relied_on is None:
            self._relied_on = set(there)
        self._relied_on = (self._relied_on & set(there)) | set(ready)
        return frozenset(set(there) - self._relied_on)

    async def _look(self, name: str, cards: Cards | None, state: ModelState | None) -> Mapping[str, ServedModel] | str:
        """The model's versions if all of them are ready; if not, the reason."""
        try:
            if state is None:
                await self._backend.configuration(name, "")  # raises, and says what the server knows of it
                return "the inference server has loaded it just now"
            if cards is None:
                return "expected a card.json, got none"
            return await self._versions(cards, state)
        except ModelNotReady as error:
            if state is None:
                return f"the inference server has not loaded it; if that stays so, its log says why: {error.reason}"
            return error.reason
        except InferenceUnavailable:
            raise
        except (PlatformError, ValueError) as error:
            return error.detail if isinstance(error, PlatformError) else str(error)

    async def _versions(self, cards: Cards, state: ModelState) -> Mapping[str, ServedModel]:
        """What the server has loaded of a model.

        Raises:
            ModelNotReady: one of the versions does not answer.
            ValueError: one of them is not what its card or its export's record says.
        """
        name = state.name
        configurations = await _together(self._backend.configuration(name, each) for each in state.versions)
        own = [_own(each, cards.of(each.version)) for each in configurations]
        vitals = [self._canaries.of(each) for each in own]
        await _together(each.look(state.executions.get(each.configuration.version, 0)) for each in vitals)
        self._vitals[name] = vitals
        if problem := self._problem(name):
            raise ModelNotReady(name, problem)
        return await asyncio.to_thread(self._join, cards, vitals)

    def _join(self, cards: Cards, vitals: Sequence[Vitals]) -> Mapping[str, ServedModel]:
        """The versions, as the files of the model's folder describe them. Reads files; called from a thread.

        Raises:
            ValueError: the classes are not those of the labels, or a graph is not the one of its export's record.
        """
        models = {}
        for each in vitals:
            configuration = each.configuration
            name, version = configuration.name, configuration.version
            card, folder = cards.of(version), self._folder / name
            check_labels(folder, version, configuration.labels, card)
            sha256 = each.served.sha256 if each.served else None
            served = self._graphs.served(folder / version, configuration.file, sha256)
            model = ServedModel(card, configuration, served.sha256, _task(card), served.precision, served.weights)
            old = self.snapshot.versions.get(name, {}).get(version)
            models[version] = old if old == model else model
        return models

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
            await self._canaries.stop()


async def _together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What each of them gives. Where one fails, the others are ended first: none goes on looking after the look."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _own(configuration: ModelConfiguration, card: Card) -> ModelConfiguration:
    """A version's configuration, with the outputs that are read of it.

    The server has one for all versions. Where they differ the task does not see what is another's.

    Raises:
        ValueError: it does not fit the card, or the card has a part that nobody would read.
    """
    task = _task(card)
    own = configuration.only(task.outputs(card))
    unread = sorted(card.parts_of_tasks() - task.parts)
    mismatches = [
        f"card.json: expected no {part}, which the task {task.kind} does not read, got one" for part in unread
    ]
    if mismatches := mismatches + task.mismatches(card, own if configuration.versions_differ else configuration):
        raise ValueError("; ".join(mismatches))
    return own


def _task(card: Card) -> Task:
    """What a card says that its model answers.

    Raises:
        ValueError: there is no such task.
    """
    task = task_of_kind(card.task)
    if task is None:
        raise ValueError(f"card.json: expected a task that this version knows, got {card.task!r}")
    return task
