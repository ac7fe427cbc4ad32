"""Where the models compute, and how busy the GPUs are, for Prometheus."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge

from inference_server.triton_settings import TritonSettings

SAMPLE_S: Final = 5.0  # the driver's own figure is the share of the last second or less


class DeviceMetrics:
    """Gauges that the launcher's port shows.

    Args:
        registry: What the port shows.
        settings: With `device` "cpu" or "gpu".
    """

    def __init__(self, registry: CollectorRegistry, settings: TritonSettings) -> None:
        self._model_device = Gauge(
            "oncoserve_model_device",
            "1 for each device that a model computes on.",
            ["model", "device"],
            registry=registry,
        )
        self._on: dict[str, set[str]] = {}
        configured = Gauge(
            "oncoserve_device_configured",
            "1 for the device that the models should run on.",
            ["device"],
            registry=registry,
        )
        for device in ("cpu", "gpu"):
            configured.labels(device).set(device == settings.device)

    def heard(self, model: str, device: str) -> None:
        """Note what a model's backend says of itself.

        Args:
            model: Its name.
            device: "cpu" or, for one of its instances, "cuda:0".
        """
        on = self._on.setdefault(model, set())
        for other in [each for each in on if _kind(each) != _kind(device)]:
            self._model_device.remove(model, other)
            on.discard(other)
        on.add(device)
        self._model_device.labels(model, device).set(1)


class GpuWatch:
    """Reads how busy the GPUs are, in a thread of its own: a driver that hangs must hold nobody up.

    Args:
        registry: What the launcher's port shows.
        settings: Names the GPUs.
        say: Tells the user something.
        nvml: The module `pynvml`.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        settings: TritonSettings,
        say: Callable[[str], None],
        nvml: Any,  # noqa: ANN401 - it has no types
    ) -> None:
        self._settings = settings
        self._say = say
        self._nvml = nvml
        self._utilisation = Gauge(
            "oncoserve_gpu_utilization_ratio",
            "Share of the time in which it computed.",
            ["gpu", "name"],
            registry=registry,
        )
        self._used = Gauge("oncoserve_gpu_memory_used_bytes", "Memory in use, by whomever.", ["gpu"], registry=registry)
        self._total = Gauge("oncoserve_gpu_memory_total_bytes", "Memory.", ["gpu"], registry=registry)

    def start(self) -> None:
        """Begin; it ends with the process."""
        threading.Thread(target=self._watch, name="gpu-watch", daemon=True).start()

    def sample(self) -> None:
        """Read every GPU once; raises what NVML raises."""
        for number in self._settings.gpu_numbers or range(self._nvml.nvmlDeviceGetCount()):
            handle = self._nvml.nvmlDeviceGetHandleByIndex(number)
            memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
            self._used.labels(number).set(memory.used)
            self._total.labels(number).set(memory.total)
            with contextlib.suppress(self._nvml.NVMLError_NotSupported):  # of a card that is cut up (MIG)
                busy_percent = self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu
                self._utilisation.labels(number, self._nvml.nvmlDeviceGetName(handle)).set(busy_percent / 100)

    def _watch(self) -> None:
        pause = threading.Event()
        try:
            self._nvml.nvmlInit()
            while not pause.wait(SAMPLE_S):
                self.sample()
        except self._nvml.NVMLError as error:
            self._say(f"There are no metrics of the GPU from here on: NVML says {error}.")


def watch_gpus(registry: CollectorRegistry, settings: TritonSettings, say: Callable[[str], None]) -> None:
    """Begin to watch the GPUs, where models run on any."""
    if settings.device != "gpu":
        return
    try:
        import pynvml  # noqa: PLC0415 - of requirements-gpu.lock only
    except ImportError:
        say("There are no metrics of the GPU: nvidia-ml-py, of requirements-gpu.lock, is not installed.")
        return
    GpuWatch(registry, settings, say, pynvml).start()


def _kind(device: str) -> str:
    return device.partition(":")[0]
