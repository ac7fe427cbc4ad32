"""The command-line client's own requests, to the API of the stack."""

from oncoserve.cli.client.picture_files import Upload
from oncoserve.cli.client.service_client import ServiceClient
from tests.aws.conftest import TIMEOUT_S


def test_upload_job_and_results(stack, keys, emulator, start_worker, sample):
    start_worker(emulator.url)
    service = ServiceClient(emulator.url, keys["ward"], TIMEOUT_S)
    service._http.headers["Host"] = stack.outputs["ApiUrl"].removeprefix("http://")
    assert service.model("brain_mri")["card"]["title"]
    upload = service.upload(Upload("scan 1.jpg", sample, "image/jpeg"))
    job = service.create_job("brain_mri", {}, [], [upload])
    while job["state"] in {"QUEUED", "RUNNING"}:
        service.sleep(0.2)
        job = service.job(job["id"])
    (image,) = job["images"]
    assert (image["state"], image["name"]) == ("SUCCEEDED", "scan 1.jpg")
    assert service.result(image["result"])["label"] == "glioma"
    assert service.rendering(image["result"], "overlay.png", {}).startswith(b"\x89PNG")
    assert service.newest_job()["id"] == job["id"]
    service.close()
