import json

import httpx
import pytest

from loadtest.chaos.judged_answers import BROKEN, DROPPED, REFUSED, RIGHT, WRONG, Asker, JobLedger, ended_twice

LABEL = {"label": "a", "probabilities": {"a": 0.75, "b": 0.25}}
RESULT = LABEL | {"links": {"self": "/v1/results/1"}}


class Service:
    """Answers what it was told to."""

    def __init__(self):
        self.answer = httpx.Response(200, json=RESULT)

    def handle(self, request):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
async def asked(monkeypatch):
    service = Service()
    asker = Asker("http://service", ["tiny"], seed=1)
    http = httpx.AsyncClient(base_url="http://service", transport=httpx.MockTransport(service.handle))
    monkeypatch.setattr(asker, "client", lambda: http)
    await asker.learn()
    yield service, asker
    await http.aclose()


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (httpx.Response(200, json=RESULT), RIGHT),
        (httpx.Response(200, json=RESULT | {"label": "b"}), WRONG),
        (httpx.Response(200, json=RESULT | {"probabilities": {"a": 0.74, "b": 0.26}}), WRONG),
        (httpx.Response(503, headers={"Retry-After": "1"}), REFUSED),
        (httpx.Response(504), REFUSED),
        (httpx.Response(503), BROKEN),
        (httpx.Response(500), BROKEN),
        (httpx.Response(502, headers={"Retry-After": "1"}), BROKEN),
        (httpx.Response(404), BROKEN),
        (httpx.ReadError("reset"), DROPPED),
    ],
    ids=repr,
)
async def test_each_answer_is_judged(asked, answer, verdict):
    service, asker = asked
    service.answer = answer
    transport = httpx.MockTransport(service.handle)
    async with httpx.AsyncClient(base_url="http://service", transport=transport) as http:
        assert await asker.upload(http, "tiny") == verdict
    assert asker.now.counts[verdict] == 1
    assert bool(asker.now.told) is (verdict in {WRONG, BROKEN})


@pytest.mark.parametrize(
    ("job", "kind"),
    [
        (httpx.Response(404), "lost"),
        (httpx.Response(200, json={"state": "FAILED", "images": [{"state": "FAILED", "error": "e"}]}), "failed"),
        (httpx.Response(200, json={"state": "EXPIRED", "images": [{"state": "QUEUED", "error": None}]}), "failed"),
        (httpx.Response(200, json={"state": "RUNNING"}), "lost"),
    ],
    ids=["gone", "failed", "expired", "never ends"],
)
async def test_a_job_that_did_not_end_rightly_is_told(asked, job, kind):
    service, asker = asked
    ledger = JobLedger()
    address = ledger.accept(("/v1/jobs/1", ("tiny", 0)))
    service.answer = job
    transport = httpx.MockTransport(service.handle)
    async with httpx.AsyncClient(base_url="http://service", transport=transport) as http:
        await ledger.settle(http, asker, within_s=0.1)
    assert [address in text for text in getattr(ledger, kind)] == [True]
    assert ledger.ended == 0


def test_an_image_that_was_ended_twice_shows_in_the_log():
    line = {"message": "image ended", "job": "1", "index": 0}
    log = [json.dumps(each) for each in (line, line | {"index": 1}, line | {"job": "2"}, line | {"message": "request"})]
    assert ended_twice("\n".join(log)) == []
    assert ended_twice("\n".join([*log, json.dumps(line)])) == ["1 0"]
