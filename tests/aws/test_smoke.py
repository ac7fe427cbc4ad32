"""`python -m deploy.aws smoke`: through the stack's API to a worker with the real Triton, and against strangers."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


@pytest.fixture
def address(stack, emulator):
    """The API's, by its path: here nobody finds a host of its own."""
    api = stack.outputs["ApiUrl"].removeprefix("http://").split(".")[0]
    return f"{emulator.url}/_aws/execute-api/{api}/$default"


@pytest.fixture
def stranger():
    """A server that answers everything with something."""
    answers = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers[0])

        do_POST = do_DELETE = do_GET  # noqa: N815 - names that http.server calls

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()

    def answer(body):
        answers[:] = [body]
        return f"http://127.0.0.1:{server.server_port}"

    yield answer
    server.shutdown()
    server.server_close()


@pytest.mark.long
def test_a_picture_goes_all_the_way_and_nothing_of_it_stays(operator, stack, keys, address, emulator, start_worker):
    def kept():
        found = emulator.client("s3").list_objects_v2(Bucket=stack.outputs["BucketName"], Prefix="results/keys/lab/")
        return {each["Key"] for each in found.get("Contents", [])}

    before = kept()  # of other tests
    start_worker(emulator.url)
    done = operator.run("smoke", "--url", address, "--yes", "--wait-s", "300", ONCO_API_KEY=keys["lab"])
    assert done.code == 0, done.out + done.err
    assert "3. SUCCEEDED after " in done.out
    assert "5. deleted: the job and the result" in done.out
    assert kept() == before


@pytest.mark.long
def test_without_a_worker_it_says_so_and_takes_the_job_back(operator, keys, address):
    done = operator.run("smoke", "--url", address, "--yes", "--wait-s", "1", ONCO_API_KEY=keys["lab"])
    assert (done.code, "It is still QUEUED: no worker has ended it in time" in done.err) == (1, True), (
        done.out + done.err
    )
    assert "5. deleted: the job" in done.out


@pytest.mark.long
def test_a_dry_run_sends_nothing(operator, stack, stranger):
    done = operator.run("smoke", "--name", stack.name)
    assert (done.code, stack.outputs["ApiUrl"] in done.out, "nothing was sent" in done.out) == (0, True, True), done.err


@pytest.mark.long
@pytest.mark.parametrize("model", ["heart", "../jobs"])
def test_a_model_that_is_not_there_is_told_in_the_service_s_own_words(operator, keys, address, model):
    done = operator.run("smoke", "--url", address, "--yes", "--model", model, ONCO_API_KEY=keys["lab"])
    assert (done.code, "The service refuses (404" in done.err) == (2, True), done.err


@pytest.mark.long
def test_a_key_that_nobody_has_is_refused(operator, keys, address):
    done = operator.run("smoke", "--url", address, "--yes", ONCO_API_KEY="wrong")
    assert (done.code, "The service refuses (403" in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>a login page</html>",
        b"[]",
        b"{}",
        json.dumps({"card": "x"}).encode(),
        json.dumps({"card": {"title": "x"}, "id": "1", "state": "SUCCEEDED", "images": []}).encode(),
        json.dumps({"card": {"title": "x"}, "id": 7, "state": [], "images": None}).encode(),
    ],
)
def test_what_is_not_the_service_is_told_in_one_sentence(operator, stranger, answer):
    done = operator.run("smoke", "--url", stranger(answer), "--yes", "--wait-s", "1")
    assert done.code in {1, 2}, done.out
    assert done.err.count("\n") == 1, done.err


@pytest.mark.long
@pytest.mark.parametrize(
    "url", ["abc.execute-api.eu-central-1.amazonaws.com", "ftp://x", "https://", "http://a:b", "http://a b"]
)
def test_an_address_that_is_none_is_told(operator, url):
    done = operator.run("smoke", "--url", url, "--yes")
    assert (done.code in {2, 3}, url in done.err) == (True, True), done.err


@pytest.mark.long
def test_nobody_there(operator):
    done = operator.run("smoke", "--url", "http://127.0.0.1:9", "--yes", "--patience-s", "1")
    assert (done.code, "No answer from http://127.0.0.1:9" in done.err) == (3, True), done.err


@pytest.mark.long
def test_no_stack_no_address(operator):
    done = operator.run("smoke", "--name", "nothing", "--yes")
    assert (done.code, "There is no stack nothing with an API" in done.err) == (2, True), done.err
