import httpx
import pytest

from testbed.failures import UnexpectedAnswer
from testbed.fakes import FakeBackend, classifier
from testbed.in_process import PNG, PREDICT, Service, assert_problem


@pytest.mark.parametrize("classes", [2, 4])
async def test_the_card_of_a_model_has_its_classes(tmp_path, classes):
    async with Service(tmp_path, FakeBackend(classifier(classes=classes))) as service:
        answer = await service.http.post(PREDICT, content=PNG)
    assert len(answer.json()["probabilities"]) == classes


PROBLEM = {"type": "/errors#too_busy", "title": "Busy", "status": 503, "code": "too_busy", "detail": "d"}


def answer(status=503, kind="application/problem+json", identity="1", **change):
    document = {**PROBLEM, "request_id": "1", **change}
    return httpx.Response(status, headers={"content-type": kind, "x-request-id": identity}, json=document)


def test_a_problem_is_what_it_says():
    assert assert_problem(answer(), 503, "too_busy").code == "too_busy"


@pytest.mark.parametrize(
    "wrong",
    [
        answer(500),
        answer(kind="application/json"),
        answer(identity="2"),
        answer(code="no_worker"),
        answer(type="/errors#no_worker"),
        httpx.Response(200),
    ],
)
def test_anything_else_is_unexpected(wrong):
    with pytest.raises(UnexpectedAnswer):
        assert_problem(wrong, 503, "too_busy")
