"""A process that ends in time, and never outlives this one."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import model_export
from supervision.child import Child

GRACE_S: Final = 20.0
"""From SIGTERM to SIGKILL: the launcher gives Triton 15 s."""
ROOT: Final = Path(model_export.__file__).resolve().parent.parent


def run_module(
    module: str,
    arguments: Sequence[str],
    time_s: float,
    *,
    environ: Mapping[str, str] = os.environ,
    death_signal: int = signal.SIGKILL,
) -> tuple[int, str]:
    """Run one of this project's modules.

    Args:
        module: Its name.
        arguments: Its arguments.
        time_s: That it may take, seconds.
        environ: Its environment.
        death_signal: What it gets when this process is gone.

    Returns:
        Its exit code, 128 and more for a signal, and what it said.

    Raises:
        TimeoutError: It took longer, and was ended.
    """
    paths = os.pathsep.join(filter(None, (str(ROOT), environ.get("PYTHONPATH"))))
    # What lies beside somebody's graph in the current folder, such as an `onnx.py`, is not ours to run.
    environ = {**environ, "PYTHONPATH": paths, "PYTHONSAFEPATH": "1"}
    with os.fdopen(os.memfd_create("said"), "w+b") as said:
        child = Child([sys.executable, "-m", module, *arguments], environ, output=said, death_signal=death_signal)
        code = asyncio.run(_ended(child, time_s))
        said.seek(0)
        return code, said.read().decode(errors="replace")


async def _ended(child: Child, time_s: float) -> int:
    try:
        async with asyncio.timeout(time_s):
            return await child.exited()
    finally:  # Ctrl-C among others
        await child.stop(GRACE_S)
