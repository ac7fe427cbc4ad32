import psutil

from loadtest.soak.__main__ import soak
from loadtest.soak.trends import trends
from loadtest.soak.watch import Watch, service_processes
from tests.load.conftest import frontend_of

SECONDS = 1


async def test_a_sound_service_makes_no_unexpected_error(frontend, triton):
    """The real models; every process is watched, and bad input gets what it has to get."""
    watch = Watch(lambda: service_processes(frontend.pid, triton.pid))
    traffic = await soak(frontend.url, triton.grpc_url, watch, SECONDS, callers=2, seed=1)
    assert list(traffic.tally.unexpected) == []
    kinds = {kind for kind, _ in traffic.tally.counts}
    assert kinds >= {f"predict {model}, new" for model in ("brain_mri", "brain_tumour", "he_tissue")}
    assert kinds >= {"result", "page and models"}
    assert any(kind.startswith("gRPC") for kind in kinds)
    assert any(kind.startswith("hung up") for kind in kinds)
    assert any(status.startswith("4") for _, status in traffic.tally.counts)
    assert {trend.process for trend in trends(watch.samples)} == {
        "frontend", "serving process", "launcher", "tritonserver", "backend of brain_mri 1",
        "backend of brain_tumour 1", "backend of brain_tumour 2", "backend of he_tissue 1",
    }  # fmt: skip


async def test_wrong_answers_and_a_dead_process_are_unexpected(tiny_triton, tmp_path):
    """No picture passes two kilobytes, and one of the watched processes ends."""
    with frontend_of(tiny_triton, tmp_path, max_upload_bytes=2048) as frontend:
        watched = service_processes(frontend.pid, tiny_triton.pid)
        watched["gone"] = psutil.Popen(["true"])
        watched["gone"].wait()
        traffic = await soak(frontend.url, tiny_triton.grpc_url, Watch(lambda: watched), SECONDS, callers=2, seed=1)
    text = "\n".join(traffic.tally.unexpected)
    assert "predict tiny, new: 413: expected 200" in text
    assert "the process gone has ended" in text
    assert traffic.tally.unexpected_count >= 2
