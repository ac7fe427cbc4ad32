import psutil
import pytest

from loadtest.soak.__main__ import soak
from loadtest.soak.trends import trends
from loadtest.soak.watch import Watch, service_processes
from tests.servers import FrontendServer, TritonServer
from tests.tiny_models import write_classifier

SECONDS = 4


async def test_a_sound_service_makes_no_unexpected_error(frontend, triton):
    """The real models; every process is watched, and bad input gets what it has to get."""
    watch = Watch(service_processes(frontend.pid, triton.pid))
    traffic = await soak(frontend.url, triton.grpc_url, watch, SECONDS, callers=4, seed=1)
    assert list(traffic.tally.unexpected) == []
    assert {status for _, status in traffic.tally.counts} >= {"200", "OK", "422"}
    assert {trend.process for trend in trends(watch.samples)} == {
        "frontend", "tritonserver", "backend of brain_mri", "backend of he_tissue",
    }  # fmt: skip


@pytest.fixture
def own(embedded_triton, tmp_path):
    """A service to break: (frontend, Triton)."""
    models = tmp_path / "models"
    write_classifier(models)
    with (
        TritonServer(models, tmp_path) as triton,
        FrontendServer(
            triton.grpc_url, tmp_path, model_repository=models, results_dir=tmp_path / "r", max_upload_bytes=2048
        ) as frontend,
    ):
        yield frontend, triton


async def test_wrong_answers_and_a_dead_process_are_unexpected(own):
    """No picture passes two kilobytes, and one of the watched processes ends."""
    frontend, triton = own
    watched = service_processes(frontend.pid, triton.pid)
    watched["gone"] = psutil.Popen(["true"])
    watched["gone"].wait()
    traffic = await soak(frontend.url, triton.grpc_url, Watch(watched), 1, callers=2, seed=1)
    text = "\n".join(traffic.tally.unexpected)
    assert "predict tiny, new: 413: expected 200" in text
    assert "the process gone has ended" in text
    assert traffic.tally.unexpected_count >= 2
