"""One child process, tied to this one."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

TIE = Path(__file__).with_name("tie.py")
POLL_S = 0.05


class Child:
    """A process in a process group of its own, started when this is made.

    The group keeps a terminal's Ctrl-C from reaching the child: its parent alone decides in which order children end.
    If the parent is killed, the kernel sends the child `death_signal`. That holds for the thread that starts it, so
    start children from the main thread.

    Args:
        argv: The command.
        env: Its environment.
        cwd: Its working directory; None means this process's.
        output: An open file or descriptor for both of its outputs; None means this process's own.
        pass_fds: Descriptors that it inherits under the same numbers.
        death_signal: What it gets when this process is gone.

    Raises:
        OSError: The command does not exist, or there is no process or descriptor left to start it with.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        cwd: Path | None = None,
        output: IO[bytes] | int | None = None,
        pass_fds: Sequence[int] = (),
        death_signal: int = signal.SIGTERM,
    ) -> None:
        if shutil.which(argv[0], path=env.get("PATH")) is None:  # the tie could only say so by an exit code
            raise FileNotFoundError(f"{argv[0]}: no such command")
        self.started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - the caller's own command
            [sys.executable, "-IS", str(TIE), str(os.getpid()), str(int(death_signal)), *argv],
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            pass_fds=pass_fds,
            process_group=0,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; death by signal n is 128 + n, as in a shell."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    async def exited(self) -> int:
        """Wait for its end and return its exit code.

        It is asked for again and again, since every way to be told needs a descriptor, and a process that is out of
        them is one of those that have to bring back their children.
        """
        while (code := self.exit_code) is None:  # noqa: ASYNC110 - the reason is above
            await asyncio.sleep(POLL_S)
        return code

    def signal(self, number: int) -> None:
        """Send it a signal; nothing happens if it has ended."""
        self._process.send_signal(number)

    async def stop(self, grace_s: float) -> int:
        """End it with SIGTERM, after `grace_s` seconds with SIGKILL, and whatever it left in its group with SIGKILL.

        Returns:
            Its exit code.
        """
        if self.exit_code is None:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self.exited()
        return await self.kill()

    async def kill(self) -> int:
        """End it and its whole group with SIGKILL, which ends a stopped process too.

        Returns:
            Its exit code.
        """
        with contextlib.suppress(ProcessLookupError):  # most leave no process behind
            os.killpg(self.pid, signal.SIGKILL)
        return await self.exited()
