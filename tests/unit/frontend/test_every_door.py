"""The same picture through the HTTP route, the page's form and a job: one use case, so nothing differs but the door."""

import asyncio
import json
import re
from dataclasses import replace

import pytest

from oncoserve.jobs.image import Handler, Rules
from oncoserve.jobs.intake.submission import Submission
from oncoserve.prediction.admission import Lane
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.wiring import frontend_core, open_adapters, open_jobs, open_worker, worker_core
from testbed.encoded_pictures import encoded, noise
from testbed.fakes import FakeBackend, classifier, let_others_run
from testbed.in_process import PREDICT, Service

PICTURE = encoded(noise((300, 200)))
BOUNDARY = b"----form"
FORM = {"Content-Type": "multipart/form-data; boundary=" + BOUNDARY.decode()}
HEAD = b'--%b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' % BOUNDARY
MODEL = b'--%b\r\nContent-Disposition: form-data; name="model"\r\n\r\ntiny\r\n' % BOUNDARY
END = b"\r\n--%b--\r\n" % BOUNDARY
STAGES = ["receive", "queue", "lookup", "decode", "preprocess", "infer", "postprocess"]


class Body:
    """A body in small chunks, and how many of them were taken."""

    def __init__(self, *parts):
        self.chunks = [part[at : at + 1000] for part in parts for at in range(0, len(part), 1000)]
        self.taken = 0

    async def __aiter__(self):
        for chunk in self.chunks:
            self.taken += 1
            yield chunk


async def route(service, body):
    return await service.http.post(PREDICT, content=body, headers=FORM)


async def form(service, body):
    return await service.http.post("/ask", content=body, headers=FORM)


DOORS = {route: (HEAD, PICTURE, END), form: (MODEL, HEAD, PICTURE, END)}


class Counted:
    """An object store that knows how often it was read."""

    def __init__(self, inner):
        self.inner, self.reads = inner, 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def get(self, *arguments):
        self.reads += 1
        return await self.inner.get(*arguments)


async def predictions(service):
    text = (await service.http.get("/metrics")).text
    return dict(re.findall(r'oncoserve_predictions_total\{model="tiny",source="(\w+)"\} (\S+)', text))


def stored(settings):
    (file,) = settings.results_dir.glob("??/*.zip")
    return FileResults(settings.results_dir), file.stem


def timings(results, result):
    return list(json.loads(results.read(result).document)["timings_ms"])


@pytest.mark.parametrize("door", DOORS)
async def test_a_request_is_counted_and_timed_as_every_other(tmp_path, door):
    async with Service(tmp_path, FakeBackend(classifier(saliency=(4, 4)))) as service:
        for _ in range(2):
            assert (await door(service, Body(*DOORS[door]))).status_code in {200, 303}
        assert await predictions(service) == {"inference": "1.0", "store": "1.0"}
        assert timings(*stored(service.settings)) == STAGES


@pytest.mark.parametrize("door", DOORS)
async def test_a_request_is_refused_before_its_picture_is_read(tmp_path, door):
    backend = FakeBackend(classifier(saliency=(4, 4), max_batch_size=1))
    backend.gate = asyncio.Event()
    async with Service(tmp_path, backend, max_batches_in_flight=1) as service:
        first = asyncio.create_task(route(service, Body(*DOORS[route])))
        while not backend.calls:
            await let_others_run()
        body = Body(*DOORS[door])
        refused = await door(service, body)
        assert refused.status_code == 503
        assert "too_busy" in refused.text
        assert int(refused.headers["Retry-After"]) >= 1
        assert body.taken <= 2 < len(body.chunks)
        backend.gate.set()
        assert (await first).status_code == 200
        assert await predictions(service) == {"inference": "1.0"}


async def send(settings, core, adapters):
    async def read():
        return PICTURE

    job = await open_jobs(settings, adapters, core.threads).submit(None, "tiny", {}, [Submission("a.png", read)])
    return job.record.id


async def test_a_job_is_counted_and_timed_as_every_other(tmp_path):
    backend = FakeBackend(classifier(saliency=(4, 4)))
    async with Service(tmp_path, backend) as service:
        settings, stop = service.settings, asyncio.Event()
        adapters = open_adapters(settings)
        core = worker_core(settings, adapters.clock, backend)
        async with core.running():
            working = asyncio.create_task(open_worker(core, adapters).run(stop))
            for _ in range(2):
                job = await send(settings, core, adapters)
                while not (await adapters.store.get(job)).record.progress.state.ended:
                    await asyncio.sleep(0.02)
            stop.set()
            await working
        count = core.metrics.predictions.labels
        assert [count("tiny", source)._value.get() for source in ("inference", "store")] == [1, 1]
        assert timings(*stored(settings)) == STAGES
        await adapters.close()


async def test_a_job_is_refused_before_its_picture_is_read(tmp_path):
    """Workers refuse nothing; one on the frontend's admission would leave the picture where it is."""
    backend = FakeBackend(classifier(saliency=(4, 4), max_batch_size=1))
    async with Service(tmp_path, backend, max_batches_in_flight=1) as service:
        settings = service.settings
        core, adapters = frontend_core(settings, backend), open_adapters(settings)
        objects = Counted(adapters.objects)
        counted = replace(adapters, objects=objects)
        async with core.running():
            await send(settings, core, adapters)
            model = core.catalogue.get("tiny")
            rules = Rules(1, 5, 30, 1)
            handler = Handler(counted, core.catalogue, core.predict, core.gallery, rules, core.metrics)
            (lease,) = await adapters.queue.receive("tiny", 1, 0)
            with core.predict._admission.place(model, Lane.BACKGROUND):
                await handler.handle(lease)
            assert objects.reads == 0
            (again,) = (await adapters.queue.backlog()).values()
            assert (again.waiting, again.in_flight, again.dead) == (1, 0, 0)
        await adapters.close()
