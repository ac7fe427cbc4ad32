"""What the end of Triton's log means, for a person who has never read one."""

import re
from pathlib import Path

_TAIL_BYTES = 64 * 1024
_TABLE = re.compile(r"^[|+]|^$")
# Info lines and complaints about a GPU that is not there hide the one line that matters.
_NOISE = re.compile(r"^I\d{4} |pinned_memory_manager|CudaDriverHelper|NVML|DCGM")

_MEANINGS = (
    (r"Socket '(?P<address>[^']*):(?P<port>\d+)' already in use", "Port {port} on {address} is taken."),
    (
        r"at least one version must be available|\.onnx is missing|unable to find '.*\.onnx'",
        "A model has not been exported. Run `oncoserve models export`, in a checkout `make models`.",
    ),
    (
        r"failed to load '(?P<model>[^']*)'.*config\.pbtxt does not fit",
        "config.pbtxt of {model} and its graph contradict each other: correct it, or run `oncoserve models export`.",
    ),
    (
        r"has kind KIND_GPU but no GPUs are available",
        "This machine has no GPU that Triton can use: unset ONCO_TRITON_MODEL_CONFIG_NAME and ONCO_TRITON_DEVICE.",
    ),
    (
        r"on (?P<device>cuda:\d+): .*(out of memory|Failed to allocate memory)",
        "The memory of {device} is full: end what uses it (`nvidia-smi`), or lower ONCO_TRITON_GPU_INSTANCES.",
    ),
    (r"KIND_GPU is impossible: (?P<reason>.*?)\"?$", "{reason} Or serve on the CPU: ONCO_TRITON_DEVICE=cpu."),
    (
        r"(?P<library>libpython[\d.]+so[\d.]*): cannot open shared object",
        "The shared library {library} is missing. Debian, Ubuntu: apt-get install libpython3.x of the same version.",
    ),
    (
        r"No module named '(?P<module>\w+)'",
        "The package {module} is not installed where Triton runs models. Run `make run`, or see docs/command_line.md.",
    ),
    (
        r"No space left on device|Failed to increase the shared memory|Bus error",
        "Shared memory is full: the Python backend passes tensors through it. Docker: raise shm_size.",
    ),
)


def last_lines(log: Path, count: int = 12) -> list[str]:
    """Return the last lines of Triton's log that matter; none where the log is not a file (a terminal, a pipe)."""
    if not log.is_file():
        return []
    with log.open("rb") as file:
        if (start := log.stat().st_size - _TAIL_BYTES) > 0:
            file.seek(start)
            file.readline()  # the rest of a line that begins before
        text = file.read().decode(errors="replace")
    lines = [line for line in text.splitlines() if not _TABLE.search(line)]
    return ([line for line in lines if not _NOISE.search(line)] or lines)[-count:]


def explain(lines: list[str]) -> str | None:
    """Return what the log lines mean, None where nobody knows."""
    text = "\n".join(lines)
    for pattern, meaning in _MEANINGS:
        if match := re.search(pattern, text, re.MULTILINE):
            return meaning.format(**match.groupdict())
    return None
