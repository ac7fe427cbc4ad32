from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from starlette.responses import JSONResponse, RedirectResponse

from oncoserve.cli.client.client_errors import Lost, Refused, Unreachable
from oncoserve.cli.client.picture_files import Upload
from oncoserve.cli.client.service_client import ServiceClient
from tests.unit.oncoserve.cli.stub import Stub, answer, cut, problem

MODEL = ("GET", "/v1/models/tiny")


@pytest.fixture
def slept():
    return []


@pytest.fixture
def service(stub, slept):
    made = ServiceClient(stub.url, None, 5, sleep=slept.append)
    yield made
    made.close()


def later(seconds):
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("given", "low", "high"),
    [("7", 7, 7), ("0", 1, 1), (20, 1, 20), (-20, 1, 1), ("soon", 0.5, 0.5), (None, 0.5, 0.5)],
)
def test_it_waits_as_long_as_it_is_told(service, stub, slept, given, low, high):
    """In seconds, or until a moment, which is made here: processes that collect tests would have one each."""
    given = later(given) if isinstance(given, int) else given
    headers = {} if given is None else {"Retry-After": given}
    stub.faults[MODEL].append(answer(problem(503, "model_unavailable", "Not now.", **headers)))
    assert service.model("tiny")["name"] == "tiny"
    (waited,) = slept
    assert low <= waited <= high


def test_waits_grow_and_connections_are_made_again(service, stub, slept):
    stub.faults[MODEL].extend([cut, cut, answer(problem(502, "", ""))])
    service.model("tiny")
    assert slept == [0.5, 1, 2]


def test_patience_ends_for_a_busy_service_and_not_for_a_callers_rate(service, stub):
    limited = problem(429, "too_many_requests", "", **{"Retry-After": "1"})
    service.patience_s = 0
    stub.faults[MODEL].extend([answer(limited)] * 3)
    assert service.model("tiny")
    stub.faults[MODEL].extend([answer(problem(503, "draining", "It is being stopped."))] * 3)
    with pytest.raises(Unreachable, match="It is being stopped"):
        service.model("tiny")


GATEWAY = JSONResponse({"message": "Service Unavailable"}, 503)


@pytest.mark.parametrize(
    "broken", [cut, answer(problem(504, "x", "y")), answer(problem(500, "x", "y")), answer(GATEWAY)]
)
def test_a_job_is_not_sent_twice_when_nobody_knows(service, stub, broken):
    stub.faults["POST", "/v1/jobs"].append(broken)
    with pytest.raises(Lost):
        service.create_job("tiny", {}, [Upload("a.png", b"x", "image/png")], [])
    assert [method for method, _, _ in stub.asked] == ["POST"]


def test_words_of_others_are_passed_on(service, stub):
    stub.faults[MODEL].append(answer(RedirectResponse("https://elsewhere/", 301)))
    with pytest.raises(Refused, match=r"http_301\): It has moved to https://elsewhere/"):
        service.model("tiny")
    with pytest.raises(Refused, match="404") as refused:
        service.model("../jobs")
    assert refused.value.code in {"model_not_found", "http_404"}


def test_all_pages_of_jobs(service, stub):
    for number in range(7):
        service.create_job("tiny", {"a": "b"}, [Upload(f"{number}.png", b"x", "image/png")], [])
    assert [int(job["id"], 16) for job in service.jobs(limit=3)] == [7, 6, 5, 4, 3, 2, 1]
    assert service.newest_job()["id"] == f"{7:032x}"


def test_names_arrive_as_they_are_sent(service, stub):
    names = ["ä ö.png", "100%.png", "a'b;c=d.png", "%22.png"]
    service.create_job("tiny", {}, [Upload(name, b"x", "image/png") for name in names], [])
    assert [image["name"] for image in next(iter(stub.jobs.values()))["images"]] == names


def test_the_key_stays_out_of_errors():
    service = ServiceClient("http://127.0.0.1:9", "onco_secret", -1, sleep=lambda _: None)
    with pytest.raises(Unreachable) as met:
        service.model("tiny")
    service.close()
    assert "onco_secret" not in str(met.value)
    assert isinstance(met.value.__cause__.__cause__, httpx.ConnectError)


def test_a_presigned_address_is_followed_without_the_key(stub):
    with Stub() as store:
        stub.faults[MODEL].append(answer(RedirectResponse(f"{store.url}/v1/models/tiny?signature=x", 307)))
        service = ServiceClient(stub.url, "onco_secret", 5)
        assert service.model("tiny") == {"name": "tiny"}
        service.close()
        assert [headers.get("x-api-key") for _, _, headers in stub.asked + store.asked] == ["onco_secret", None]
