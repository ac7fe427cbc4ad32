"""The model's process ends: no image of a job pays for it, but the one that ended it."""

import contextlib
import threading
import time

import psutil
from PIL import Image

from testbed.encoded_pictures import encoded
from testbed.servers import TritonServer
from testbed.timed_model import write_sleeper
from tests.integration.jobs.test_jobs import ended, pictures, submit, wait_for

WHITE = ("images", ("white.png", encoded(Image.new("RGB", (64, 48), "white"))))
BACK_S = 2.5


def processes(triton):
    """The processes of Triton's models."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [each for each in triton.family() if each.name() == "triton_python_backend_stub"]
    return []


@contextlib.contextmanager
def brought_back(triton):
    """Starts a Triton anew whose model has had no process for a while."""
    over = threading.Event()

    def watch():
        seen = time.monotonic()
        while not over.wait(0.1):
            if processes(triton):
                seen = time.monotonic()
            elif time.monotonic() - seen > BACK_S:
                triton.end()
                triton.start()
                triton.wait_ready()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def test_a_picture_that_ends_the_models_process_and_the_images_beside_it(embedded_triton, tmp_path, start):
    write_sleeper(tmp_path / "models", "fragile", 0.02, deadly=True)
    with TritonServer(tmp_path / "models", tmp_path) as triton, brought_back(triton):
        service = start(triton.grpc_url, model_repository=tmp_path / "models")
        files = pictures(12)
        address = submit(service, [*files[:3], WHITE, *files[3:]], "fragile")
        wait_for(address, lambda job: job.progress.running)
        job = ended(address)
        assert (job.progress.succeeded, job.progress.failed) == (12, 1)
        (failed,) = [image for image in job.images if image.state == "FAILED"]
        assert (failed.name, failed.error.code) == ("white.png", "model_process_ended")
        assert "the process of model 'fragile' ended while it worked on this image alone" in failed.error.detail
        assert {image.attempts for image in job.images if image is not failed} == {1}
