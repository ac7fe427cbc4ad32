import queue
import re
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from inference_server.devices.device_metrics import DeviceMetrics, GpuWatch, watch_gpus
from inference_server.triton_settings import TritonSettings
from testbed.servers import PROJECT


class Nvml:
    """The calls of NVML that are made, of a machine with three GPUs."""

    class NVMLError(Exception):
        pass

    class NVMLError_NotSupported(NVMLError):  # noqa: N801
        pass

    def nvmlInit(self): ...  # noqa: N802 - NVML's own names, here and below

    def nvmlDeviceGetCount(self):  # noqa: N802
        return 3

    def nvmlDeviceGetHandleByIndex(self, number):  # noqa: N802
        return number

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return f"Card {handle}"

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(used=handle + 1000, total=8000)

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        return SimpleNamespace(gpu=40 + handle)


@pytest.fixture
def registry():
    return CollectorRegistry()


def shown(registry):
    return {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_the_device_that_was_decided_on_is_1_and_the_other_0(registry, device):
    DeviceMetrics(registry, TritonSettings(device=device))
    assert shown(registry) == {
        f'oncoserve_device_configured{{device="{each}"}} {float(each == device)}' for each in ("cpu", "gpu")
    }


def test_a_model_is_on_every_gpu_of_its_instances_but_never_on_both_kinds(registry):
    metrics = DeviceMetrics(registry, TritonSettings())
    for device in ("cpu", "cuda:0", "cuda:1", "cuda:0"):
        metrics.heard("tiny", device)
    metrics.heard("other", "cpu")
    assert {line for line in shown(registry) if "model" in line} == {
        'oncoserve_model_device{device="cuda:0",model="tiny"} 1.0',
        'oncoserve_model_device{device="cuda:1",model="tiny"} 1.0',
        'oncoserve_model_device{device="cpu",model="other"} 1.0',
    }


@pytest.mark.parametrize(("gpus", "numbers"), [("all", [0, 1, 2]), ("2", [2])])
def test_the_chosen_gpus_are_read(registry, gpus, numbers):
    GpuWatch(registry, TritonSettings(gpus=gpus), print, Nvml()).sample()
    assert shown(registry) == {
        line
        for number in numbers
        for line in (
            f'oncoserve_gpu_utilization_ratio{{gpu="{number}",name="Card {number}"}} 0.4{number or ""}',
            f'oncoserve_gpu_memory_used_bytes{{gpu="{number}"}} {1000 + number}.0',
            f'oncoserve_gpu_memory_total_bytes{{gpu="{number}"}} 8000.0',
        )
    }


def test_the_dashboard_shows_what_is_read(registry):
    """Where no GPU is, no other test sees these panels filled."""
    GpuWatch(registry, TritonSettings(), print, Nvml()).sample()
    dashboard = (PROJECT / "deploy/observability/grafana/dashboards/oncoserve.json").read_text()
    names = {line.partition("{")[0] for line in shown(registry)}
    assert set(re.findall(r"oncoserve_gpu_\w+", dashboard)) == names


class CutUp(Nvml):
    """A card whose parts have no utilisation of their own."""

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        raise self.NVMLError_NotSupported


def test_a_card_without_utilisation_still_tells_its_memory(registry):
    GpuWatch(registry, TritonSettings(gpus="0"), print, CutUp()).sample()
    names = {line.partition("{")[0] for line in shown(registry)}
    assert names == {"oncoserve_gpu_memory_used_bytes", "oncoserve_gpu_memory_total_bytes"}


class Lost(Nvml):
    """A driver that is gone."""

    def nvmlInit(self):  # noqa: N802
        raise self.NVMLError("Driver Not Loaded")


def test_without_the_driver_the_end_of_the_metrics_is_told(registry):
    told = queue.Queue()
    GpuWatch(registry, TritonSettings(), told.put, Lost()).start()
    assert told.get(timeout=30) == "There are no metrics of the GPU from here on: NVML says Driver Not Loaded."


def test_on_a_cpu_nothing_is_watched(registry):
    said = []
    watch_gpus(registry, TritonSettings(device="cpu"), said.append)
    assert (shown(registry), said) == (set(), [])
