"""A real Prometheus with the project's configuration scrapes the real servers: every series that is used exists."""

import contextlib
import math
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from testbed.encoded_pictures import encoded, noise
from testbed.servers import FrontendServer, Server, TritonServer, free_port
from testbed.tiny_models import write_classifier
from tests.integration.observability.promql import CONFIGURATION, RULES, alerts, panel_expressions, selectors

# Nothing to see without a GPU, and nothing while nothing fails; everything else must be there on a service that works.
GPU = "oncoserve_gpu_"
PANELS_ONLY_ON_FAILURE = {"Errors by code"}
SERIES_ONLY_ON_FAILURE = {'oncoserve_requests_total{route=~"/v1/.*",status=~"5.."}'}
SCRAPE_S = 1  # also how long one may take
PANELS = [(title, expression) for title, expression in panel_expressions() if GPU not in expression]


class Prometheus(Server):
    """Prometheus with the project's rules and its configuration, which asks these servers, every second."""

    def __init__(self, folder, frontend, triton):
        text = CONFIGURATION.read_text()
        for theirs, ours in (
            ("frontend:5000", f"127.0.0.1:{frontend.port}"),
            ("triton:8002", f"127.0.0.1:{triton.metrics_port}"),
            ("triton:8003", f"127.0.0.1:{triton.status_port}"),
            ("scrape_interval: 15s", f"scrape_interval: {SCRAPE_S}s"),
            ("scrape_timeout: 10s", f"scrape_timeout: {SCRAPE_S}s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
        ):
            assert text.count(theirs) == 1, theirs
            text = text.replace(theirs, ours)
        (folder / "prometheus.yml").write_text(text)
        shutil.copy(RULES, folder)
        self.url = f"http://127.0.0.1:{free_port()}"
        argv = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}", "--log.level=warn"]  # fmt: skip
        super().__init__(argv, f"{self.url}/-/ready", {}, folder / "prometheus.log")
        self._http = httpx.Client(base_url=f"{self.url}/api/v1/", timeout=60)

    def __exit__(self, *error):
        self._http.close()
        super().__exit__(*error)

    def get(self, path, **parameters):
        answer = self._http.get(path, params=parameters).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, expression):
        """The value of each series that an expression gives now."""
        return [float(series["value"][1]) for series in self.get("query", query=expression)["result"]]


class Service:
    """The servers under watch, and what users do with them."""

    def __init__(self, folder, prometheus, frontend):
        self.results, self.prometheus, self.predict = (
            folder / "results",
            prometheus,
            f"{frontend.url}/v1/models/tiny/predict",
        )
        self._seed = 0

    def upload(self, content=None):
        self._seed += 1
        return httpx.post(self.predict, content=content or encoded(noise((16, 16), self._seed)), timeout=60).status_code

    def upload_later(self):
        content = encoded(noise((16, 16)))
        return httpx.post(self.predict, content=content, headers={"Prefer": "respond-async"}, timeout=60).status_code

    def use(self):
        """A little traffic and a scrape after it; a rate needs two of them."""
        assert self.upload() == 200
        assert self.upload_later() == 202
        done = time.time()
        self.wait_for(
            lambda: [scraped > done for scraped in self.prometheus.values("timestamp(up) * up")] == [True] * 3
        )

    def fail(self):
        """Errors of every kind that an alert asks for: refused for load, and a results folder that is broken."""
        assert self.upload(b"not a picture") == 415
        with ThreadPoolExecutor(8) as pool:
            for _ in range(20):
                if 503 in set(pool.map(lambda _: self.upload(), range(8))):
                    break
            else:
                pytest.fail("nothing was refused")
        file = self.results.with_name("file")
        file.write_text("a file in the place of the folder")
        self.results.rename(self.results.with_name("away"))  # at once: the service writes to it at any time
        file.rename(self.results)
        assert self.upload() == 503
        self.results.unlink()
        assert self.upload() == 200

    def wait_for(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def service(embedded_triton, prometheus_programs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("watched")
    write_classifier(folder / "repository", "tiny", size=16, max_batch_size=1)
    settings = {
        "model_repository": folder / "repository",
        "results_dir": folder / "results",
        "max_batches_in_flight": 1,
    }
    triton = TritonServer(folder / "repository", folder)
    frontend = FrontendServer(triton.grpc_url, folder, **settings)
    prometheus = Prometheus(folder, frontend, triton)
    prometheus.start()  # first, since it asks nobody in its first five seconds
    with contextlib.ExitStack() as stack:
        stack.push(prometheus)
        stack.enter_context(triton)
        stack.enter_context(frontend)
        prometheus.wait_ready()
        running = Service(folder, prometheus, frontend)
        running.use()
        running.use()
        yield running


def used_series():
    expressions = [expression for _, expression in panel_expressions()] + [alert["expr"] for alert in alerts()]
    return sorted({each for expression in expressions for each in selectors(expression) if not each.startswith(GPU)})


@pytest.fixture(scope="module")
def missing_before(service):
    """What there was nothing of on a service that works; after this fixture, everything has failed once."""
    panels = {title for title, expression in PANELS if not service.prometheus.values(expression)}
    series = {selector for selector in used_series() if not service.prometheus.values(selector)}
    service.fail()
    service.use()
    service.use()
    return panels, series


def test_a_service_that_works_shows_everything_but_failures(missing_before):
    assert missing_before == (PANELS_ONLY_ON_FAILURE, SERIES_ONLY_ON_FAILURE)


@pytest.mark.parametrize("expression", [row[1] for row in PANELS], ids=[row[0] for row in PANELS])
def test_every_panel_shows_numbers(service, missing_before, expression):
    values = service.prometheus.values(expression)
    assert any(math.isfinite(value) for value in values), values


@pytest.mark.parametrize("series", used_series())
def test_every_series_that_is_used_exists(service, missing_before, series):
    assert service.prometheus.values(series)


def test_the_rules_are_evaluated_and_the_right_alert_fires(service, missing_before):
    def states():
        (group,) = service.prometheus.get("rules")["groups"]
        return {rule["name"]: (rule["health"], rule["state"]) for rule in group["rules"]}

    service.wait_for(lambda: states()["StorageFailing"] == ("ok", "firing"))
    found = states()
    assert found.keys() == {alert["alert"] for alert in alerts()}
    assert {health for health, _ in found.values()} == {"ok"}
    assert [name for name, (_, state) in found.items() if state == "firing"] == ["StorageFailing"]
    assert {found[name][1] for name in ("FrontendDown", "TritonDown", "NotReady", "QueueGrowing")} == {"inactive"}
