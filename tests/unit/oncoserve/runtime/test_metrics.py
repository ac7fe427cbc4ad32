import re
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from inference_server.devices.device_metrics import DeviceMetrics, GpuWatch
from inference_server.triton_settings import TritonSettings
from oncoserve.runtime.metrics import FOLDER_VARIABLE, PLACE_VARIABLE, Metrics, forget_gauges, make_files


def exposed_by_the_launcher():
    registry, settings = CollectorRegistry(), TritonSettings()
    DeviceMetrics(registry, settings)
    GpuWatch(registry, settings, print, nvml=None)
    return generate_latest(registry)


def test_the_docs_name_every_series_and_no_other():
    text = (Metrics().expose() + exposed_by_the_launcher()).decode()
    exposed = re.findall(r"^# TYPE (oncoserve_\w+) ", text, re.MULTILINE)
    series = {name for name in exposed if not name.endswith("_created")}  # when a counter began: the library's own
    assert len(series) >= 8
    documented = set(re.findall(r"`(oncoserve_\w+)(?:\{[\w,]+\})?`", Path("docs/observability.md").read_text()))
    assert series == documented


def test_a_model_that_is_not_there_any_more_is_not_ready():
    metrics = Metrics()
    metrics.show_models({"a": True, "b": False})
    assert b'oncoserve_model_ready{model="a"} 1.0' in metrics.expose()
    assert b'oncoserve_canary_failures_total{model="b"} 0.0' in metrics.expose()
    metrics.show_models({"b": True})
    assert b'oncoserve_model_ready{model="a"} 0.0' in metrics.expose()
    assert b'oncoserve_model_ready{model="b"} 1.0' in metrics.expose()


ONE_LIFE = """
from oncoserve.runtime.metrics import Metrics
metrics = Metrics()
metrics.restarts.labels("worker", "hung").inc()
metrics.duration.labels("/").observe(0.2)
metrics.show_backlog({"tiny": {"waiting": 4}})
metrics.ready.set(0)
"""


def test_a_process_that_is_brought_back_goes_on_counting_in_the_same_files(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv(PLACE_VARIABLE, "frontend-0")
    make_files(tmp_path, "frontend-0")
    make_files(tmp_path, "watching")
    made = {path: path.stat().st_size for path in tmp_path.iterdir()}
    for _ in range(3):
        subprocess.run([sys.executable, "-c", ONE_LIFE], check=True)
    expose = "from oncoserve.runtime.metrics import ProcessMetrics; print(ProcessMetrics().expose().decode())"
    monkeypatch.setenv(PLACE_VARIABLE, "watching")

    def exposed():
        return subprocess.run([sys.executable, "-c", expose], check=True, capture_output=True, text=True).stdout

    text = exposed()
    assert 'oncoserve_restarts_total{cause="hung",part="worker"} 3.0' in text
    assert 'oncoserve_request_seconds_count{route="/"} 3.0' in text
    assert 'oncoserve_job_backlog{model="tiny",state="waiting"} 4.0' in text
    forget_gauges(tmp_path, "frontend-0")
    text = exposed()
    assert "oncoserve_job_backlog{" not in text
    assert "\noncoserve_ready " not in text
    assert 'oncoserve_restarts_total{cause="hung",part="worker"} 3.0' in text
    assert {path: path.stat().st_size for path in tmp_path.iterdir()} == made, "another file, or one that has grown"
    assert all(path.stat().st_blocks * 512 >= size for path, size in made.items())
