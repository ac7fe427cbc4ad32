"""What the first GPU does meanwhile, by NVIDIA's management library."""

import contextlib
import math
import statistics
import threading
from typing import Any, Final, Self

_SAMPLE_S: Final = 0.1


class GpuWatch:
    """Looks at the first GPU ten times a second for the length of a block, in a thread.

    Without a GPU, or without the package nvidia-ml-py, it watches nothing.

    Attributes:
        busy: The share of the time in which a kernel ran, 0 to 1, the mean of what was seen; NaN for nothing.
        memory_mib: The most memory that was taken, by all processes, in MiB; NaN for nothing.
    """

    def __init__(self) -> None:
        self.busy = self.memory_mib = math.nan
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        try:
            import pynvml  # noqa: PLC0415 - only a machine with a GPU needs it
        except ImportError:
            return
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
            busy, taken = _look(pynvml, gpu)
            seen = [(busy, taken)]
            while not self._over.wait(_SAMPLE_S):
                seen.append(_look(pynvml, gpu))
            self.busy = statistics.mean(busy for busy, _ in seen)
            self.memory_mib = max(taken for _, taken in seen)
            pynvml.nvmlShutdown()


def describe_gpu() -> str:
    """Name, memory and driver of the first GPU, such as "NVIDIA H100 80GB HBM3, 81559 MiB, driver 580.1"; else ""."""
    try:
        import pynvml  # noqa: PLC0415 - as above

        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        memory_mib = pynvml.nvmlDeviceGetMemoryInfo(gpu).total / 2**20
        return f"{pynvml.nvmlDeviceGetName(gpu)}, {memory_mib:.0f} MiB, driver {pynvml.nvmlSystemGetDriverVersion()}"
    except Exception:  # noqa: BLE001 - the package, the library or the GPU is not there
        return ""


def _look(pynvml: Any, gpu: Any) -> tuple[float, float]:  # noqa: ANN401 - the package has no types
    busy = pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100
    return busy, pynvml.nvmlDeviceGetMemoryInfo(gpu).used / 2**20
