"""A small service on loopback that speaks the interface, and breaks off, refuses or keeps waiting when told to."""

import asyncio
import hashlib
import itertools
import json
import threading
import time
from collections import Counter, defaultdict, deque

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from testbed.servers import free_port

BAD = b"bad"
BLANK = b"a picture that gets no answer"
UNLIKE = b"a picture that the model says nothing of"


def problem(status, code, detail, **headers):
    return JSONResponse({"status": status, "code": code, "detail": detail}, status, headers)


class Stub:
    """`faults[method, path]` holds functions that answer in place of the route, one a request.

    Attributes:
        jobs: job documents by id, oldest first.
        received: how often each picture came in a job that was made, by its bytes.
        asked: requests, as (method, path, headers).
    """

    def __init__(self, *, limit_bytes=10**9, uploads=False, pace=100):
        self.limit_bytes, self.uploads, self.pace = limit_bytes, uploads, pace
        self.jobs, self.bytes, self.stored, self.asked = {}, {}, {}, []
        self.received = Counter()
        self.faults = defaultdict(deque)
        self._numbers = itertools.count(1)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        routes = [
            ("/v1/models", "GET", self.models),
            ("/v1/models/{model}", "GET", self.model),
            ("/v1/models/{model}/predict", "POST", self.predict),
            ("/v1/jobs", "POST", self.create),
            ("/v1/jobs", "GET", self.list),
            ("/v1/jobs/{job}", "GET", self.job),
            ("/v1/jobs/{job}", "DELETE", self.delete),
            ("/v1/jobs/{job}/retry", "POST", self.retry),
            ("/v1/uploads", "POST", self.upload),
            ("/store/{upload}", "PUT", self.put),
            ("/v1/results/{result}", "GET", self.result),
            ("/v1/results/{result}/overlay.png", "GET", self.overlay),
            ("/v1/results/{result}/{kind}.dcm", "GET", self.evidence),
        ]
        app = Starlette(routes=[Route(path, self._with_faults(call), methods=[how]) for path, how, call in routes])
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="critical", lifespan="off")
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.server.run)

    def __enter__(self):
        self._thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True  # uvicorn looks at it ten times a second; nobody waits for its end

    def _with_faults(self, call):
        async def route(request):
            self.asked.append((request.method, request.url.path, dict(request.headers)))
            waiting = self.faults[request.method, request.url.path]
            return await (waiting.popleft()(request) if waiting else call(request))

        return route

    async def model(self, request):
        if request.path_params["model"] != "tiny":
            return problem(404, "model_not_found", "There is no such model; served are: tiny.")
        return JSONResponse({"name": "tiny"})

    async def models(self, request):
        card = {"task": "classification", "title": "Tiny"}
        ready = [{"name": "tiny", "version": "1", "card": card}]
        return JSONResponse({"models": ready, "not_ready": {"large": "it has no card"}})

    async def predict(self, request):
        async with request.form() as form:
            data, parameters = await form["image"].read(), {name: form[name] for name in form if name != "image"}
        self.received[data] += 1
        if data.startswith(BAD):
            return problem(422, "corrupt_image", "It cannot be decoded.")
        result = hashlib.sha256(data).hexdigest()[:32]
        self.bytes[result] = data
        return JSONResponse(self._document(result, **parameters))

    async def evidence(self, request):
        return problem(404, "nothing_to_segment", "There is nothing to segment.")

    async def create(self, request):
        body = await request.body()
        if len(body) > self.limit_bytes:
            return problem(413, "upload_too_large", f"The body has {len(body)} bytes; the limit is {self.limit_bytes}.")
        async with request.form() as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            files = [each for each in form.getlist("images") if isinstance(each, UploadFile)]
            given = [(each.filename, await each.read()) for each in files]
            given += [self._stored(each) for each in form.getlist("uploads")]
        number = next(self._numbers)
        images = [self._image(name, data) for name, data in given]
        job = {
            "id": f"{number:032x}", "state": "QUEUED", "model": fields["model"], "created": f"2026-11-23T{number:06}",
            "parameters": {name: value for name, value in fields.items() if name not in {"model", "uploads"}},
            "progress": {"total": len(images), "succeeded": 0, "failed": 0}, "images": images, "position": 0,
            "expires": "2026-11-30T00:00:00",
        }  # fmt: skip
        self.jobs[job["id"]] = job
        self.received.update(data for _, data in given)
        return JSONResponse(job, 202)

    def _stored(self, given):
        identity, _, name = given.partition("/")
        return name, self.stored[identity][1]

    def _image(self, name, data):
        result = hashlib.sha256(data).hexdigest()[:32]
        self.bytes[result] = data
        if data.startswith(BAD):
            error = {"code": "corrupt_image", "title": "damaged", "detail": "=It cannot be decoded."}
            return {"name": name, "state": "FAILED", "result": None, "error": error}
        return {"name": name, "state": "QUEUED", "result": result, "error": None}

    async def list(self, request):
        start, limit = int(request.query_params.get("cursor", 0)), int(request.query_params["limit"])
        page = [
            {what: value for what, value in job.items() if what != "images"} for job in reversed(self.jobs.values())
        ]
        more = f"/v1/jobs?limit={limit}&cursor={start + limit}" if start + limit < len(page) else None
        return JSONResponse({"jobs": page[start : start + limit], "next": more})

    async def job(self, request):
        job = self.jobs.get(request.path_params["job"])
        if job is None:
            return problem(404, "job_not_found", "There is no such job.")
        for image in [image for image in job["images"] if image["state"] == "QUEUED"][: self.pace]:
            image["state"] = "SUCCEEDED"
        job["progress"]["failed"] = sum(image["state"] == "FAILED" for image in job["images"])
        return JSONResponse(job)

    async def retry(self, request):
        job = self.jobs[request.path_params["job"]]
        failed = [dict(image, state="QUEUED", error=None) for image in job["images"] if image["state"] == "FAILED"]
        again = {**job, "id": f"{next(self._numbers):032x}", "images": failed}
        self.jobs[again["id"]] = again
        return JSONResponse(again, 202)

    async def delete(self, request):
        if self.jobs.pop(request.path_params["job"], None) is None:
            return problem(404, "job_not_found", "There is no such job.")
        return Response(status_code=204)

    async def upload(self, request):
        wanted = await request.json()
        if not self.uploads:
            return problem(501, "uploads_not_supported", "Send the images in the job's own request.")
        if wanted["bytes"] > self.limit_bytes:
            return problem(413, "upload_too_large", f"{wanted['bytes']} bytes; the limit is {self.limit_bytes}.")
        identity = f"upload-{len(self.stored)}"
        self.stored[identity] = (wanted["name"], wanted["sha256"])
        place = {"id": identity, "method": "PUT", "url": f"{self.url}/store/{identity}", "headers": {"X-Signed": "yes"}}
        return JSONResponse(place, 201)

    async def put(self, request):
        identity, data = request.path_params["upload"], await request.body()
        name, sha256 = self.stored[identity]
        assert hashlib.sha256(data).hexdigest() == sha256
        self.stored[identity] = (name, data)
        return Response()

    async def result(self, request):
        return Response(json.dumps(self._document(request.path_params["result"])), media_type="application/json")

    def _document(self, result, **parameters):
        blank, unlike = self.bytes[result] in {BLANK, UNLIKE}, self.bytes[result] == UNLIKE
        why = {"code": "unlike_training", "text": "It is unlike, =1.", "value": 7.5, "limit": 3.0} if unlike else None
        return {
            "id": result, "model": "tiny", "task": "classification",
            "label": None if blank else "=glioma",
            "probabilities": None if blank else {"=glioma": 0.75, "other": 0.25},
            "undetermined": why,
            "warnings": [{"code": "small", "message": "Small."}],
            "provenance": {
                "input_sha256": hashlib.sha256(self.bytes[result]).hexdigest(), "parameters": parameters,
            },
            "image": {"width": 3, "height": 2, "format": "PNG", "orientation": 6, "turned": True},
            "links": {"self": "/v1/results/x", "overlay": f"/v1/results/{result}/overlay.png"},
        }  # fmt: skip

    async def overlay(self, request):
        frame = request.query_params.get("frame", "").encode()
        return Response(b"overlay of " + self.bytes[request.path_params["result"]] + frame)


def answer(response):
    """A fault: this answer."""

    async def fault(_):
        return response

    return fault


def cut_after(call):
    """A fault: the route does its work, and the connection breaks off before the answer is whole."""

    async def fault(request):
        await call(request)
        return Response(b"", headers={"Content-Length": "1000"})

    return fault


class Waiting:
    """A fault: no answer until it is released; knows when a request has come."""

    def __init__(self):
        self.came, self._released = threading.Event(), threading.Event()

    async def __call__(self, _):
        self.came.set()
        await asyncio.to_thread(self._released.wait)
        return Response(status_code=500)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._released.set()


async def cut(_):
    """A fault: the connection breaks off before anything is done."""
    return Response(b"", headers={"Content-Length": "1000"})
