"""What tests ask of a launcher, and of the processes that it keeps."""

import contextlib
import http.client
import json
import re
import time

import psutil

STUB = "triton_python_backend_stub"


def backend_of(server, model):
    """The process that runs a model; None while there is none."""
    for process in server.family():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if process.name() == STUB and f"/{model}/" in process.cmdline()[1]:
                return process
    return None


def problems(server):
    """What the launcher says of models that would not answer, by their names."""
    return json.loads(_status(server, "/readyz"))["problems"]


def restarts(server):
    """How often each part was brought back for which cause, without the zeros."""
    line = re.compile(r'^oncoserve_restarts_total\{cause="(.*)",part="(.*)"\} ([1-9]\d*)', re.MULTILINE)
    return {(part, cause): int(count) for cause, part, count in line.findall(_status(server, "/metrics"))}


def wait_until(condition, seconds=30):
    """Wait for it; 30 s are what the service promises for anything to be right again."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def _status(server, path):
    """What the launcher's own port answers."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.status_port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
