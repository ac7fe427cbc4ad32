"""The model's process ends: no image of a job pays for it, but the one that ended it."""

from testbed.encoded_pictures import bright, encoded
from testbed.servers import TritonServer
from testbed.timed_model import write_sleeper
from tests.integration.jobs.test_jobs import ended, pictures, submit, wait_for

BRIGHT = ("images", ("bright.png", encoded(bright())))


def test_a_picture_that_ends_the_models_process_and_the_images_beside_it(embedded_triton, tmp_path, start):
    write_sleeper(tmp_path / "models", "fragile", 0.02, deadly=True)
    with TritonServer(tmp_path / "models", tmp_path) as triton:
        service = start(triton.grpc_url, model_repository=tmp_path / "models")
        files = pictures(12)
        address = submit(service, [*files[:3], BRIGHT, *files[3:]], "fragile")
        wait_for(address, lambda job: job.progress.running)
        job = ended(address)
        assert (job.progress.succeeded, job.progress.failed) == (12, 1)
        (failed,) = [image for image in job.images if image.state == "FAILED"]
        assert (failed.name, failed.error.code) == ("bright.png", "model_process_ended")
        assert "the process of model 'fragile' ended while it worked on this image alone" in failed.error.detail
        assert {image.attempts for image in job.images if image is not failed} == {1}
