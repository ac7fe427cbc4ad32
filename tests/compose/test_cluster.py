"""docker-compose.cluster.yml as a user starts it: any part may go, one at a time, and nothing is lost."""

import threading
import time

import httpx
import pytest

from testbed.encoded_pictures import encoded, noise, scan
from tests.compose.stack import LONGEST_BUILD_S, Stack

pytestmark = pytest.mark.timeout(1800)

PATIENCE_S = 120
FRONTENDS, TRITONS, WORKERS = (tuple(f"{kind}-{one}" for one in "ab") for kind in ("frontend", "triton", "worker"))
STORAGE = ("postgres", "seaweed", "balancer")
ASK = (
    "import sys, urllib.request as r; "
    "print(r.urlopen('http://127.0.0.1:5000' + sys.argv[1], timeout=30).read().decode())"
)


@pytest.fixture(scope="module")
def cluster(engine):
    with Stack("docker-compose.cluster.yml") as running:
        running.compose("up", "--detach", "--wait", timeout_s=LONGEST_BUILD_S)
        yield running


class Callers:
    """Somebody who asks about new pictures again and again, by way of the proxy."""

    def __init__(self, stack, first):
        self.answers, self.made, self.refusals, self._next = [], [], [], first
        self._stop = threading.Event()
        self._stack = stack
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _ask(self):
        with httpx.Client(base_url=self._stack.client.base_url, timeout=60) as http:
            while not self._stop.is_set():
                picture = encoded(scan(seed=self._next))
                self._next += 1
                try:
                    answer = http.post("/v1/models/brain_mri/predict", content=picture)
                    self.answers.append(answer.status_code)
                    if answer.status_code == 200:
                        self.made.append(answer.json()["links"]["self"])
                    else:
                        self.refusals.append(answer.text)
                except httpx.TransportError as error:
                    self.answers.append(type(error).__name__)
                time.sleep(0.1)


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def healthy(stack, service):
    return stack.inspect(service)["State"].get("Health", {}).get("Status") == "healthy"


def submit(stack, count, first):
    files = [("images", (f"{seed}.png", encoded(noise(seed=seed)))) for seed in range(first, first + count)]
    answer = stack.client.post("/v1/jobs", data={"model": "brain_mri"}, files=files)
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


def ended(stack, path):
    def done():
        answer = stack.client.get(path)
        return answer.status_code == 200 and answer.json()["state"] not in {"QUEUED", "RUNNING"}

    until(done)
    return stack.client.get(path).json()


def test_any_frontend_answers_any_result(cluster):
    made = cluster.predict(encoded(scan(seed=1))).raise_for_status().json()
    for frontend in FRONTENDS:
        code, text = cluster.execute(frontend, "python", "-c", ASK, made["links"]["self"])
        assert code == 0, text
        assert made["id"] in text


def test_a_rolling_restart_of_everything_under_load_loses_nothing(cluster):
    path = submit(cluster, 40, first=1000)
    with Callers(cluster, first=10_000) as callers:
        for frontend, triton, worker in zip(FRONTENDS, TRITONS, WORKERS, strict=True):
            cluster.compose("stop", frontend, worker)
            cluster.compose("restart", triton)
            cluster.compose("start", frontend, worker)
            until(lambda frontend=frontend, worker=worker: all(healthy(cluster, each) for each in (frontend, worker)))
            time.sleep(2)  # the proxy has to have seen it
        while_halves = len(callers.answers)
        for service in STORAGE:
            cluster.compose("restart", service)
            until(lambda service=service: healthy(cluster, service))
            until(lambda: cluster.client.get("/readyz").status_code == 200)
    assert callers.answers[:while_halves] == [200] * while_halves, callers.refusals
    assert while_halves > 50
    # There is one of each of these: while it is away callers are told so, and nothing that was promised is lost.
    assert {*callers.answers[while_halves:]} <= {200, 503, "ConnectError", "ReadError", "RemoteProtocolError"}
    assert ended(cluster, path)["progress"]["succeeded"] == 40
    for address in callers.made:
        assert cluster.client.get(address).status_code == 200


@pytest.mark.parametrize(
    "service",
    ["frontend-a", "postgres"]
    + [pytest.param(each, marks=pytest.mark.long) for each in ("triton-b", "worker-a", "seaweed", "balancer")],
)
def test_one_of_each_part_is_killed_and_nothing_is_lost(cluster, service):
    first = 20_000 + 100 * sum(map(ord, service))
    made = cluster.predict(encoded(scan(seed=first))).raise_for_status().json()
    path = submit(cluster, 10, first=first)
    cluster.compose("kill", "--signal", "KILL", service)
    cluster.compose("up", "--detach", "--no-recreate", "--no-build", service)  # as an engine's restart policy does
    until(lambda: healthy(cluster, service))
    job = ended(cluster, path)
    assert job["progress"]["succeeded"] == 10
    assert cluster.client.get(made["links"]["self"]).json()["id"] == made["id"]
    until(lambda: cluster.predict(encoded(scan(seed=first + 1))).status_code == 200)
