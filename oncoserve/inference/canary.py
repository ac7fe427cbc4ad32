"""Whether each model answers: its real answers tell and, where there are none, canaries, tiny requests of our own.

A canary is sent when nothing was heard of a model for `IDLE_S`. Our backend answers it without running the graph, which
proves the way from Triton through the model's process and back. One that runs the graph follows after a model was
loaded, when answers make the model doubtful, and once a minute. Other backends run the graph each time.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oncoserve.errors import DeadlineExceeded, InferenceFailed, InferenceUnavailable, ModelNotReady
from oncoserve.inference.backend import CanaryAnswer, InferenceBackend, ModelConfiguration, ModelState, Tensors

IDLE_S = 2.0  # without a sign of life, before a canary is sent
AGAIN_S = 0.5  # between two canaries while the model does not answer
FULL_EVERY_S = 60.0  # between two that run the graph
DEAR = 10  # where every canary runs the graph, the pause is so many times what it takes
GLANCE_S = 0.1  # that a look waits for a canary it has sent: most are back by then
TIMEOUT_S = 10.0  # of one canary; what waits in the server longer than that is sent anew
# Silence is a fault after this time, or after so many of the longest executions that the model's process has measured
# lately: until then the model may just be busy. A process that has ended or is frozen needs neither: Triton tells.
LEAST_PATIENCE_S, PATIENCE = 2.5, 4


class Vitals:
    """What is known of one version of one model.

    Args:
        server: is asked.
        configuration: the model as the server runs it.
        failed: called with the model's name at each canary that fails.
    """

    def __init__(
        self, server: InferenceBackend, configuration: ModelConfiguration, failed: Callable[[str], None]
    ) -> None:
        self.configuration = configuration
        self.served: CanaryAnswer | None = None
        self._server = server
        self._failed = failed
        self._inputs = _noise(configuration)
        self._pending: asyncio.Task[bool] | None = None
        self._fault = ""
        self._executions = 0
        self._full_wanted = True
        self._full_at = self._sign_at = self._progress_at = self._asked_at = -np.inf
        self._silent_since: float | None = None
        self._took_s = 0.0

    @property
    def problem(self) -> str:
        """Why it cannot answer; empty if it can."""
        if self._fault:
            return self._fault
        if self._silent_s > self.patience_s:
            return f"it gave no answer for more than {self.patience_s:.1f} s"
        return "" if self.served else "it has not answered yet"

    @property
    def _silent_s(self) -> float:
        """Seconds in which neither a canary came back nor anybody's request was executed."""
        return 0.0 if self._silent_since is None else _now() - max(self._silent_since, self._progress_at)

    @property
    def patience_s(self) -> float:
        """Seconds without any progress that are no fault yet."""
        return max(LEAST_PATIENCE_S, PATIENCE * (self.served.longest_s if self.served else 0.0))

    def answered(self, answer: Tensors) -> None:
        """A real request was answered."""
        now = _now()
        if now - self._sign_at < AGAIN_S:  # looking at every answer would be work for nothing
            return
        if _finite(answer):
            self._sign_at = self._progress_at = self._full_at = now
        else:
            self.doubt()

    def doubt(self) -> None:
        """A real request failed; that may have been the picture, or the model."""
        self._full_wanted = True

    def fault(self, error: ModelNotReady) -> None:
        """It cannot answer, until a canary comes back. Of a version that was unloaded the next look knows more."""
        self._fault = "" if error.unloaded else error.reason
        self._full_wanted = True
        self._sign_at = -np.inf

    async def look(self, executions: int) -> None:
        """Send a canary if it is time.

        Args:
            executions: the server's count for this model, of everybody's requests; less than last time after a reload.
        """
        if executions < self._executions:
            # What it was stands until it says what it is: whoever asks in between gets its answer, not an error.
            self._full_wanted, self._asked_at = True, -np.inf
        elif executions > self._executions:
            self._progress_at = _now()
        self._executions = executions
        first = self._asked_at == -np.inf
        if self._pending is None and self._due():
            self._send()
        if self._pending is not None:
            await asyncio.wait({self._pending}, timeout=self.patience_s if first else GLANCE_S)

    async def ask(self, *, full: bool) -> bool:
        """Whether it answers a canary that is sent now; `full`: one that runs the graph. A busy one is waited for."""
        await self._settled(self._pending)  # it was sent before
        self._full_wanted |= full
        if self._pending is None:
            self._send()
        pending = self._pending
        await self._settled(pending)
        return pending is not None and pending.done() and not pending.cancelled() and pending.result()

    async def _settled(self, pending: "asyncio.Task[bool] | None") -> None:
        """Wait for a canary until it comes back or its silence is a fault."""
        while pending is not None and not pending.done() and self._silent_s <= self.patience_s:
            await asyncio.wait({pending}, timeout=GLANCE_S)

    async def close(self) -> None:
        """End what is under way."""
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.wait({self._pending})

    def _due(self) -> bool:
        now = _now()
        if self._fault or self.served is None or self._silent_since is not None:
            return now - self._asked_at >= AGAIN_S
        if self._full_wanted or now - self._full_at >= FULL_EVERY_S:
            return now - self._asked_at >= IDLE_S
        dear_s = DEAR * self._took_s if self.served.whole else 0.0
        return now - self._sign_at >= max(IDLE_S, dear_s)

    def _send(self) -> None:
        self._asked_at = _now()
        if self._silent_since is None:
            self._silent_since = self._asked_at
        self._pending = asyncio.create_task(self._ask())
        self._pending.add_done_callback(self._returned)

    def _returned(self, task: "asyncio.Task[bool]") -> None:
        del task
        self._pending = None

    async def _ask(self) -> bool:
        started, name = _now(), self.configuration.name
        full = self._full_wanted or started - self._full_at >= FULL_EVERY_S
        self._full_wanted = False
        try:
            served = await self._server.canary(self.configuration, self._inputs, full=False, timeout_s=TIMEOUT_S)
            self._took_s = _now() - started
            if full and not served.whole:
                await self._server.canary(self.configuration, self._inputs, full=True, timeout_s=TIMEOUT_S)
        except DeadlineExceeded:
            self._full_wanted |= full
            return False  # still silent
        except InferenceUnavailable:
            self._full_wanted = True  # whatever comes back may be another one
            self._silent_since = None
            return False
        except ModelNotReady as error:
            self.fault(error)
        except InferenceFailed:
            self.fault(ModelNotReady(name, "it fails on a picture of noise"))
        else:
            if self.served and self.served.loaded != served.loaded and not full:
                self._full_wanted = True
            self.served, self._fault, self._silent_since = served, "", None
            self._sign_at = self._progress_at = _now()
            if full or served.whole:
                self._full_at = self._sign_at
            return True
        self._silent_since = None
        self._failed(name)
        return False


class Canaries:
    """The inference server port in front of another one; hears of every answer.

    Args:
        server: the inference server.
        failed: called with the model's name at each canary that fails.
    """

    def __init__(self, server: InferenceBackend, failed: Callable[[str], None] = lambda _: None) -> None:
        self._server = server
        self._failed = failed
        self._vitals: dict[tuple[str, str], Vitals] = {}

    def of(self, configuration: ModelConfiguration) -> Vitals:
        """What is known of this model in this version."""
        key = configuration.name, configuration.version
        found = self._vitals.get(key)
        if found is None or found.configuration != configuration:
            found = self._vitals[key] = Vitals(self._server, configuration, self._failed)
        return found

    async def models(self) -> Sequence[ModelState]:
        """See the port."""
        return await self._server.models()

    async def configuration(self, model: str, version: str) -> ModelConfiguration:
        """See the port."""
        return await self._server.configuration(model, version)

    async def infer(
        self, model: str, version: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str], timeout_s: float
    ) -> Tensors:
        """Run the model on one batch, and note what came of it; see the port."""
        vitals = self._vitals.get((model, version))
        try:
            answer = await self._server.infer(model, version, inputs, outputs, timeout_s)
        except InferenceFailed:
            if vitals:
                vitals.doubt()
            raise
        except ModelNotReady as error:
            if vitals:
                vitals.fault(error)
            raise
        if vitals:
            vitals.answered(answer)
        return answer

    async def canary(
        self, model: ModelConfiguration, inputs: Mapping[str, NDArray[Any]], *, full: bool, timeout_s: float
    ) -> CanaryAnswer:
        """See the port."""
        return await self._server.canary(model, inputs, full=full, timeout_s=timeout_s)

    async def stop(self) -> None:
        """End the canaries that are under way."""
        for vitals in self._vitals.values():
            with contextlib.suppress(asyncio.CancelledError):
                await vitals.close()

    async def close(self) -> None:
        """See the port."""
        await self.stop()
        await self._server.close()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _finite(answer: Tensors) -> bool:
    return all(np.isfinite(array).all() for array in answer.values() if array.dtype.kind == "f")


def _noise(model: ModelConfiguration) -> Tensors:
    """A request of one: noise, since a plain colour is nothing that every model can normalise."""
    generator = np.random.default_rng(0)
    shapes = {spec: (1, *(max(1, size) for size in spec.dims)) for spec in model.inputs}
    return {
        spec.name: generator.integers(0, 256, shape).astype(spec.dtype)
        if spec.dtype.kind in "iu"
        else generator.random(shape).astype(spec.dtype)
        for spec, shape in shapes.items()
    }
