"""Keeps one model answering while its Triton lives: a backend process that ended or hangs is replaced alone."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from inference_server.models.backend_processes import BackendProcess, Life, of_model
from inference_server.restarts import backend_of
from inference_server.triton_control import BackendLost, CanaryReply, ControlFailed, TritonControl
from supervision.child import Child
from supervision.keeper import Cause, Loss, Patience

LOOK_S = 0.25  # between two looks whether its processes run
WITH_TRITON_S = 0.25  # they end with their Triton, whose own end may be seen a moment after theirs
STOPPED_LOOKS = 4  # in a row that find one stopped, before it counts as hung
SIGN_S = 1.0  # between two looks for a sign of life
CANARY_EVERY_S = 3.0  # while no caller has an answer
LOST_CANARIES = 2  # in a row; one may just have met a process that was frozen for a moment together with its Triton
SILENT_S, SILENT_EXECUTIONS = 10.0, 5  # without any answer, and so many times its longest execution
CANARY_S = 20.0  # for the first answer of a model that was loaded again


class ModelKeeper:
    """Watches the backend of one model.

    Args:
        model: Its name.
        folder: Its folder in the model repository, absolute.
        triton: Runs its backend.
        control: Asks that process.
        report: Told of each loss.
        reload: Loads it again.
        reloaded: Told after each attempt to load it again how many were in vain in a row; 0 if it is back.
        computes_on: Told the model and the device that it computes on, whenever its backend says so.
    """

    def __init__(
        self,
        model: str,
        folder: Path,
        triton: Child,
        control: TritonControl,
        report: Callable[[Loss], None],
        reload: Callable[[], Awaitable[None]],
        reloaded: Callable[[str, int], Awaitable[None]],
        computes_on: Callable[[str, str], None],
    ) -> None:
        self.model = model
        self.problem = ""
        """Why it does not answer; empty if it does."""
        self._folder = folder
        self._triton = triton
        self._control = control
        self._report = report
        self._reload = reload
        self._reloaded = reloaded
        self._computes_on = computes_on
        self._patience = Patience()
        self._processes: Sequence[BackendProcess] = ()

    async def run(self, problem: str) -> None:
        """Keep it, until this is cancelled.

        Args:
            problem: Why it is not loaded to begin with; empty if it is.
        """
        self._processes = await self._find()
        losses = vain = 0
        loss = (Cause.START, problem) if problem else None
        while True:
            began = asyncio.get_running_loop().time()
            loss = loss or await self._lost()
            if self._triton.exit_code is not None:  # lost with Triton, whose end cancels this
                await asyncio.Event().wait()
            if asyncio.get_running_loop().time() - began > self._patience.settled_s:
                losses = 0
            pause_s = min(self._patience.first_pause_s * 2 ** min(losses, 30), self._patience.longest_pause_s)
            losses += 1
            self.problem = loss[1]
            for process in self._processes:
                process.kill()
            self._report(Loss(backend_of(self.model), *loss, pause_s))
            await asyncio.sleep(pause_s)
            loss = await self._revive()
            self.problem = loss[1] if loss else ""
            vain = vain + 1 if loss else 0
            await self._reloaded(self.model, vain)

    async def _find(self) -> Sequence[BackendProcess]:
        """Its processes: those of the versions that are served, since one that was replaced may still be ending."""
        folders = [self._folder]
        with contextlib.suppress(ControlFailed):
            folders = [self._folder / str(version) for version in await self._control.versions(self.model)]
        return [process for folder in folders for process in of_model(self._triton.pid, folder)]

    async def _revive(self) -> tuple[Cause, str] | None:
        """Load it again; returns why that did not help."""
        try:
            await self._reload()
            self._processes = await self._find()
            await self._control.canary(self.model, CANARY_S)
        except (BackendLost, ControlFailed) as error:
            return Cause.START, f"it cannot be loaded: {str(error).partition(chr(10))[0]}"
        return None

    async def _lost(self) -> tuple[Cause, str]:
        """Wait until it is lost; returns why."""
        watches = {asyncio.create_task(self._ended()), asyncio.create_task(self._silent())}
        try:
            done, _ = await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.wait(watches)

    async def _ended(self) -> tuple[Cause, str]:
        """Wait until one of its processes ends, or stays stopped."""
        stopped = 0
        while True:
            await asyncio.sleep(LOOK_S)
            lives = {process: process.life() for process in self._processes}
            ended = [process for process, life in lives.items() if life is Life.ENDED]
            if ended:
                await asyncio.sleep(WITH_TRITON_S)
            if ended and self._triton.exit_code is None:  # otherwise they ended with it
                words = ended[0].last_words()
                return Cause.SIGNAL if "SIG" in words else Cause.EXIT, words
            stopped = stopped + 1 if Life.STOPPED in lives.values() else 0
            if stopped == STOPPED_LOOKS:
                return Cause.HUNG, "its process is stopped"

    async def _silent(self) -> tuple[Cause, str]:
        """Wait until it gives no sign of life: answers to callers or, while there are none, to canaries."""
        signs = _Signs(self._control, self.model, self._computes_on)
        try:
            while True:
                await asyncio.sleep(SIGN_S)
                if reason := await signs.look():
                    return Cause.HUNG, reason
        finally:
            await signs.close()


class _Signs:
    """The signs of life of one model."""

    def __init__(self, control: TritonControl, model: str, computes_on: Callable[[str, str], None]) -> None:
        self._control = control
        self._computes_on = computes_on
        self._model = model
        self._answers = -1
        self._canary: asyncio.Task[CanaryReply] | None = None
        self._longest_s = 0.0
        self._silent_s = 0.0
        self._lost = 0

    async def look(self) -> str:
        """Look once, which is worth `SIGN_S`: where a whole machine was suspended, nobody looked either.

        Returns:
            Why it is taken to be hung; empty otherwise.
        """
        try:
            answers = await self._control.successes(self._model)
        except ControlFailed:  # Triton is watched by others
            return ""
        progress, self._answers = answers != self._answers, answers
        self._silent_s = 0.0 if progress else self._silent_s + SIGN_S
        if self._canary is not None and self._canary.done():
            self._hear(self._canary)
            self._canary = None
        if self._lost >= LOST_CANARIES:
            return "its process does not answer Triton"
        if self._canary is None:
            if self._silent_s >= CANARY_EVERY_S or self._lost or self._longest_s == 0:
                self._canary = asyncio.create_task(self._control.canary(self._model))
                self._silent_s = 0.0  # from now on there is something to answer
        elif self._silent_s > max(SILENT_S, SILENT_EXECUTIONS * self._longest_s):
            return f"it gave no answer for {self._silent_s:.0f} s"
        return ""

    def _hear(self, canary: "asyncio.Task[CanaryReply]") -> None:
        try:
            answer = canary.result()
        except BackendLost:
            self._lost += 1
            return
        except ControlFailed:  # Triton is going, or the model is
            return
        self._longest_s = answer.longest_s
        if answer.device:
            self._computes_on(self._model, answer.device)
        self._lost = 0
        self._silent_s = 0.0

    async def close(self) -> None:
        """End what is under way."""
        if self._canary is not None:
            self._canary.cancel()
            with contextlib.suppress(asyncio.CancelledError, BackendLost, ControlFailed):
                await self._canary
