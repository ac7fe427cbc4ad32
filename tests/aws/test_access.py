"""Who may ask the API, and what they see."""

import json
import time

import pytest

from testbed.aws_emulator import Stack


def submit(client, data=b"not a picture"):
    """A job that ends at once, since its picture is refused."""
    answer = client.post("/v1/jobs", data={"model": "brain_mri"}, files=[("images", ("a.jpg", data))])
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_without_a_key_or_with_a_false_one(api):
    assert api().get("/v1/jobs").status_code == 401
    stranger = api()
    stranger.headers["X-API-Key"] = "false"
    assert stranger.get("/v1/jobs").status_code == 403
    assert api().get("/livez").json() == {"status": "alive"}


def test_a_function_that_is_asked_past_the_authoriser_answers_nobody(stack, emulator):
    event = {
        "version": "2.0",
        "rawPath": "/v1/jobs",
        "rawQueryString": "",
        "headers": {"host": "example.org"},
        "requestContext": {"http": {"method": "GET", "path": "/v1/jobs", "sourceIp": "127.0.0.1"}},
        "isBase64Encoded": False,
    }
    answer = invoke(emulator, stack.resource("FrontendFunction"), event)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "unauthorised")


@pytest.mark.parametrize(("address", "allowed"), [("127.9.9.9", True), ("128.0.0.1", False), ("2001:db8::1", False)])
def test_only_allowed_addresses(stack, keys, emulator, address, allowed):
    event = {
        "version": "2.0",
        "headers": {"x-api-key": keys["ward"]},
        "requestContext": {"http": {"method": "GET", "path": "/v1/jobs", "sourceIp": address}},
    }
    answer = invoke(emulator, stack.resource("AuthoriserFunction"), event)
    assert answer == ({"isAuthorized": True, "context": {"owner": "ward"}} if allowed else {"isAuthorized": False})


def invoke(emulator, function, event):
    answer = emulator.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def test_each_owner_sees_its_own_jobs_alone(api):
    ward, lab = api("ward"), api("lab")
    job = submit(ward)
    assert job["state"] == "FAILED"
    time.sleep(0.1)
    assert job["id"] in [each["id"] for each in ward.get("/v1/jobs").json()["jobs"]]
    assert job["id"] not in [each["id"] for each in lab.get("/v1/jobs").json()["jobs"]]
    for request in (lab.get, lab.delete):
        assert request(job["links"]["self"]).json()["code"] == "job_not_found"
    assert ward.delete(job["links"]["self"]).status_code == 204
    assert ward.get(job["links"]["self"]).status_code == 404


def test_each_owner_sees_its_own_results_alone(api, stack, emulator):
    result = "0123456789abcdef" * 2
    for name in ("result.json", "overlay.png"):
        key = f"results/keys/ward/{result}/{name}"
        emulator.client("s3").put_object(Bucket=stack.outputs["BucketName"], Key=key, Body=b"{}")
    ward, lab = api("ward"), api("lab")
    assert ward.get(f"/v1/results/{result}").status_code == 307
    for path in (f"/v1/results/{result}", f"/v1/results/{result}/overlay.png", "/v1/results/keys"):
        assert lab.get(path).json()["code"] == "result_not_found"
    assert ward.get(f"/v1/results/{result}/nothing.png").status_code == 404
    refused = ward.get(f"/v1/results/{result}/overlay.png", params={"frame": "file"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
    assert lab.delete(f"/v1/results/{result}").status_code == 404
    assert ward.delete(f"/v1/results/{result}").status_code == 204
    assert ward.get(f"/v1/results/{result}/overlay.png").status_code == 404


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"model": "lung_ct"}, "model_not_found"), ({"model": "brain_mri", "x": "1"}, "invalid_parameter")],
)
def test_what_is_asked_wrongly_is_told(api, fields, code):
    answer = api("ward").post("/v1/jobs", data=fields, files=[("images", ("a.jpg", b"x"))])
    assert (answer.json()["code"], answer.headers["content-type"]) == (code, "application/problem+json")


def test_an_address_that_is_not_there(api):
    assert api("ward").get("/v1/nothing").json()["code"] == "not_found"


def test_without_a_key_file_nobody_is_let_in_and_the_log_says_why(emulator):
    """Not a failure of the function: API Gateway would answer 500 to everybody, and nobody would know what to do."""
    made = Stack(emulator, "keyless")
    function = made.resource("AuthoriserFunction")
    functions = emulator.client("lambda")
    given = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    given["ONCO_AWS_ENDPOINT_URL"] = emulator.url
    functions.update_function_configuration(FunctionName=function, Environment={"Variables": given})
    event = {
        "version": "2.0",
        "headers": {"x-api-key": "anything"},
        "requestContext": {"http": {"method": "GET", "path": "/v1/jobs", "sourceIp": "127.0.0.1"}},
    }
    assert invoke(emulator, function, event) == {"isAuthorized": False}
