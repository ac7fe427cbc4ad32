"""From the API to the result where SageMaker computes: both functions run in the emulator's Lambda, under their roles.

The emulator has no SageMaker. `testbed.aws.async_endpoints` stands in for it: it takes `InvokeEndpointAsync`, fetches
the picture and publishes the notice with the rights of the endpoints' role.
"""

import json
import time

import httpx
import pytest

from oncoserve.keys import new_key
from testbed.aws.async_endpoints import AsyncEndpoints, endpoints_stack
from testbed.aws_emulator import Stack
from testbed.servers import FrontendServer
from tests.aws.conftest import TIMEOUT_S, ended
from tests.aws.sagemaker_bench import RESULT, Container, packed, problem

FUNCTIONS = ("FeederFunction", "SettlerFunction")
DOCUMENT = RESULT | {
    "model": "brain_mri",
    "task": "classification",
    "version": "1",
    "probabilities": {"cat": 0.75},
    "warnings": [],
}
BRAIN = packed(result__json=DOCUMENT, overlay__png=b"png")


@pytest.fixture(scope="module")
def stack(emulator):
    return Stack(emulator, "sm", workers=endpoints_stack())


@pytest.fixture(scope="module")
def ward(stack, emulator, endpoints):
    """Asks this stack's API with a key of its own."""
    secret, key = new_key("ward")
    emulator.client("s3").put_object(Bucket=stack.outputs["BucketName"], Key="config/api_keys", Body=str(key).encode())
    headers = {"Host": stack.outputs["ApiUrl"].removeprefix("http://"), "X-API-Key": secret}
    with httpx.Client(base_url=emulator.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def endpoints(stack, emulator):
    topics = {"Completed": stack.outputs["SuccessTopicArn"], "Failed": stack.outputs["ErrorTopicArn"]}
    role = emulator.role(stack.outputs["EndpointRoleArn"])
    with AsyncEndpoints(emulator, stack.outputs["BucketName"], topics, Container(), role) as running:
        functions = emulator.client("lambda")
        more = {"ONCO_AWS_ENDPOINT_URL": emulator.url}
        for logical in ("FrontendFunction", "AuthoriserFunction", *FUNCTIONS):
            name = stack.resource(logical)
            given = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"] | more
            if logical in FUNCTIONS:
                given |= {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": running.url}
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": given})
        yield running


@pytest.fixture
def container(endpoints):
    endpoints.container.answers.clear()
    endpoints.container.pictures.clear()
    return endpoints.container


def submit(client, *pictures):
    files = [("images", (f"{number}.jpg", data, "image/jpeg")) for number, data in enumerate(pictures)]
    answer = client.post("/v1/jobs", data={"model": "brain_mri"}, files=files)
    assert answer.status_code == 202, answer.text
    return answer.json()


@pytest.mark.long
def test_from_the_api_to_the_result(ward, container, endpoints, samples):
    container.answers = [(200, BRAIN), (200, problem(422, "corrupt_image", "It is cut off."))]
    job = ended(ward, submit(ward, *samples[:2]))
    assert sorted(each["state"] for each in job["images"]) == ["FAILED", "SUCCEEDED"]
    (good,) = [each for each in job["images"] if each["state"] == "SUCCEEDED"]
    (bad,) = [each for each in job["images"] if each["state"] == "FAILED"]
    assert bad["error"]["code"] == "corrupt_image"
    assert (good["finding"]["label"], good["finding"]["probability"]) == ("cat", 0.75)
    assert sorted(container.pictures) == sorted(samples[:2])
    assert {each["Endpoint"] for each in endpoints.requests} == {"sm-brain-mri"}
    led = ward.get(good["links"]["result"])
    document = httpx.get(led.headers["location"], timeout=60).json()
    assert (document["label"], document["links"]["overlay"]) == ("cat", good["links"]["overlay"])
    assert httpx.get(ward.get(good["links"]["overlay"]).headers["location"], timeout=60).content == b"png"


@pytest.fixture
def real_container(endpoints, triton, tmp_path, monkeypatch):
    """What an endpoint's image runs, but for its launcher: the frontend as `serve` starts it, on the real Triton."""
    settings = {"results_dir": tmp_path / "results", "job_workers": 0, "sagemaker": True, "job_models": "brain_mri"}
    with FrontendServer(triton.grpc_url, tmp_path, **settings) as server:

        def invoke(picture, headers):
            passed_on = {"Accept": headers["Accept"], "Content-Type": headers["Content-Type"]}
            passed_on["X-Amzn-SageMaker-Custom-Attributes"] = headers["Custom-Attributes"]
            answer = httpx.post(f"{server.url}/invocations", content=picture, headers=passed_on, timeout=120)
            return answer.status_code, answer.content

        monkeypatch.setattr(endpoints, "container", invoke)
        yield server


@pytest.mark.long
def test_from_the_api_to_the_result_of_the_real_container(ward, real_container, samples):
    job = ended(ward, submit(ward, samples[0], samples[1][:2000]))
    good, bad = job["images"]
    assert (good["state"], good["finding"]["label"]) == ("SUCCEEDED", "glioma")
    assert (bad["state"], bad["error"]["code"]) == ("FAILED", "corrupt_image")
    document = httpx.get(ward.get(good["links"]["result"]).headers["location"], timeout=60).json()
    assert document["label"] == "glioma"
    assert document["links"]["overlay"] == good["links"]["overlay"]
    overlay = httpx.get(ward.get(good["links"]["overlay"]).headers["location"], timeout=60)
    assert (overlay.headers["content-type"], overlay.content[:4]) == ("image/png", b"\x89PNG")


@pytest.mark.long
def test_nothing_is_left_of_what_has_ended(ward, container, stack, emulator, samples):
    container.answers = [(200, BRAIN)] * 3
    ended(ward, submit(ward, *samples[:3]))
    sqs, s3 = emulator.client("sqs"), emulator.client("s3")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    for _ in range(600):
        queues = [stack.queue(name) for name in ("brain_mri", "brain_mri-dead", "settle", "settle-dead")]
        numbers = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"] for url in queues]
        left = s3.list_objects_v2(Bucket=stack.outputs["BucketName"], Prefix="sagemaker/")["KeyCount"]
        if not left and all(int(each) == 0 for number in numbers for each in number.values()):
            return
    pytest.fail(f"{left} objects, {numbers}")


@pytest.mark.long
def test_what_fails_is_computed_again(ward, container, samples):
    container.answers = [(500, b""), (200, BRAIN)]
    job = submit(ward, samples[0])
    deadline = time.monotonic() + TIMEOUT_S
    while not container.pictures or not job["progress"]["queued"]:
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
        job = ward.get(job["links"]["self"]).json()
    assert len(container.pictures) == 1  # it waits for its pause, which is a quarter of a minute at least
    assert ended(ward, job)["state"] == "SUCCEEDED"


def test_a_foreign_notice_goes_without_a_trace(stack, emulator, container):
    sqs, url = emulator.client("sqs"), stack.queue("settle")
    for body in ('{"Event": "s3:TestEvent"}', json.dumps({"inferenceId": None})):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    deadline = time.monotonic() + TIMEOUT_S  # the first call of a function starts it
    while set(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()) != {"0"}:
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.1)
