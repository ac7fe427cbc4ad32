"""Whether this machine's GPU works, and so which device the models run on."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from inference_server.devices.cuda_driver import MIB, Device
from inference_server.launch_errors import LaunchError
from inference_server.triton_settings import PREFIX, TritonSettings
from supervision.child import Child

GPU_CONFIGURATION: Final = "gpu"  # <model>/configs/gpu.pbtxt
NO_DEVICE: Final = "CUDA_ERROR_NO_DEVICE"
RESULT: Final = '{"reason": '  # how the trial's result begins, among what libraries print
SIGNALLED: Final = 128  # exit codes above it are deaths by signals, as in a shell
KILL_S: Final = 2.0
PROBE_S: Final = 120.0  # CUDA starts in seconds, but reads 2 GB of libraries from the disk for it


@dataclass(frozen=True)
class Probe:
    """What was found.

    Attributes:
        reason: Why the GPU does not work and what to do, in a sentence or two; empty if it works.
        driver: The version of the NVIDIA driver; empty where there is none.
        devices: The GPUs that models would run on, in the order of their CUDA numbers.
    """

    reason: str
    driver: str = ""
    devices: tuple[Device, ...] = ()

    @property
    def works(self) -> bool:
        """Whether models can run on every one of the GPUs."""
        return not self.reason

    def __str__(self) -> str:
        """What was found, in a line."""
        names = [
            f"{each.name} ({each.free_bytes // MIB} of {each.total_bytes // MIB} MiB free)" for each in self.devices
        ]
        return f"{', '.join(names)}, NVIDIA driver {self.driver or 'of unknown version'}"


async def choose(settings: TritonSettings, say: Callable[[str], None]) -> TritonSettings:
    """Decide on the device, before Triton starts.

    Args:
        settings: What was asked for.
        say: Tells the user something.

    Returns:
        The settings with `device` "cpu" or "gpu", and with the configuration that goes with it.

    Raises:
        LaunchError: A GPU was asked for, and does not work.
    """
    if settings.device == "cpu":
        return settings
    say("Trying the GPU ...")
    found = await probe(settings)
    if found.works:
        say(f"The models run on the GPU: {found}.")
        name = settings.model_config_name or GPU_CONFIGURATION
        return settings.model_copy(update={"device": "gpu", "model_config_name": name})
    if settings.device == "gpu":
        raise LaunchError(
            f"{PREFIX}DEVICE=gpu: {found.reason} To serve on the CPU instead: {PREFIX}DEVICE=cpu, "
            "or auto for a GPU that works and else the CPU."
        )
    say(f"The models run on the CPU, as no GPU works: {found.reason}")
    # That of the GPU, where it was named too, is refused by Triton on a CPU.
    name = "" if settings.model_config_name == GPU_CONFIGURATION else settings.model_config_name
    return settings.model_copy(update={"device": "cpu", "model_config_name": name})


async def probe(settings: TritonSettings) -> Probe:
    """Try the GPUs that the settings name, in a process of its own; takes seconds."""
    try:
        code, output = await _try(settings)
    except TimeoutError:
        return Probe(f"The GPU gave no answer for {PROBE_S:.0f} s: look at `nvidia-smi`, and restart the machine.")
    try:
        found = json.loads(next(line for line in reversed(output.splitlines()) if line.startswith(RESULT)))
    except (StopIteration, ValueError):
        return Probe(_obituary(code, output))
    result = Probe(found["reason"], found["driver"], tuple(Device(**device) for device in found["devices"]))
    asked = settings.gpu_numbers
    if asked and NO_DEVICE in result.reason:  # what the driver says too where it may show none of those that there are
        hint = f"{PREFIX}GPUS={settings.gpus} shows it no others: `nvidia-smi -L` lists what there is."
        return replace(result, reason=f"{result.reason} {hint}")
    if len(result.devices) < len(asked) and (result.devices or result.works):
        return Probe(
            f"{PREFIX}GPUS={settings.gpus}: only the first {len(result.devices)} of these were found; "
            "`nvidia-smi -L` lists what there is.",
            result.driver,
            result.devices,
        )
    return result


async def _try(settings: TritonSettings) -> tuple[int, str]:
    """Run the trial; returns its exit code and what it said.

    Raises:
        TimeoutError: It gave no result.
    """
    argv = (sys.executable, "-m", "inference_server.devices.gpu_probe")
    with os.fdopen(os.memfd_create("gpu_trial"), "w+b") as output:  # a pipe stays open with whatever it starts
        trial = Child(argv, {**os.environ, **visible(settings)}, output=output, death_signal=signal.SIGKILL)
        try:
            async with asyncio.timeout(PROBE_S):
                code = await trial.exited()
        finally:
            with contextlib.suppress(TimeoutError):  # the kernel may hold it within a driver that hangs, for ever
                async with asyncio.timeout(KILL_S):
                    await trial.kill()
        output.seek(0)
        return code, output.read().decode(errors="replace")


def _obituary(code: int, output: str) -> str:
    """What a trial that ended without a result means."""
    if code > SIGNALLED:
        return (
            f"Trying the GPU ended with {signal.Signals(code - SIGNALLED).name}: the driver, or a library of CUDA or "
            "cuDNN, is damaged. Install requirements-gpu.lock anew (`rm -r .venv-gpu`, then `make run DEVICE=gpu`)."
        )
    return f"Trying the GPU ended with exit code {code}: {(output.strip().splitlines() or ['it said nothing'])[-1]}."


def visible(settings: TritonSettings) -> Mapping[str, str]:
    """The variables by which CUDA shows a process the chosen GPUs only, numbered as in nvidia-smi."""
    chosen = {"CUDA_VISIBLE_DEVICES": settings.gpus} if settings.gpu_numbers else {}
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", **chosen}
