"""What the chart's pods run, as processes of this machine: their commands, variables, probes and end.

No cluster: files lie where a test may write, and ports are free ones. Everything else is as it was rendered.
"""

import re
import secrets
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest

from oncoserve.objects.bucket import Bucket, Place
from testbed.encoded_pictures import encoded, noise
from testbed.servers import Server, free_ports
from testbed.storage.seaweed import BUCKET
from testbed.tiny_models import write_classifier
from tests.unit.deploy.kubernetes.chart import containers, env, pods

COMMANDS = {"triton": ["python", "-m", "inference_server"], "frontend": ["python", "-m", "frontend"]}  # of the images
MOUNTED = ("/models", "/secrets", "/keys", "/var/lib/oncoserve", "/tmp/triton")  # noqa: S108 - of the containers
PATIENCE_S = 120
START_S = 60


class Container(Server):
    """A container's program: ready when its probe says so.

    Args:
        pod: what the containers of its pod share.
        given: the container as it was rendered.
    """

    def __init__(self, pod, given):
        self.pod, self.given = pod, given
        command = [pod.here(word) for word in given.get("command", COMMANDS.get(given["name"]))]
        variables = {name: pod.here(value) for name, value in env(given).items()}
        if given["name"] == "triton":
            names = ("GRPC", "METRICS", "STATUS")
            variables |= {
                f"ONCO_TRITON_{name}_PORT": pod.ports[port] for name, port in zip(names, pod.ports, strict=False)
            }
            variables["ONCO_TRITON_LOG_FILE"] = str(pod.folder / "tritonserver.log")  # standard error is a file here
        super().__init__([sys.executable, *command[1:]], "", variables, pod.folder / f"{given['name']}.log", START_S)

    def is_ready(self):
        return self.probe("startupProbe" if "startupProbe" in self.given else "livenessProbe")

    def probe(self, kind):
        probe = self.given[kind]
        if "exec" in probe:
            words = [self.pod.here(word) for word in probe["exec"]["command"]]
            return subprocess.run(words, capture_output=True, env=self.env).returncode == 0
        try:
            return httpx.get(self.pod.url + probe["httpGet"]["path"], timeout=5).is_success
        except httpx.TransportError:
            return False


@pytest.fixture
def bucket(seaweed, tmp_path):
    """A place of its own, with a model repository in it."""
    files = seaweed.access_key_file, seaweed.secret_key_file
    place = Place(BUCKET, seaweed.endpoint, "us-east-1", f"pods-{secrets.token_hex(4)}", *files)
    repository = tmp_path / "repository"
    for name in ("tiny", "other"):
        write_classifier(repository, name, size=64)
    for path in repository.rglob("*"):
        if path.is_file():
            Bucket(place, 30).put(f"models/{path.relative_to(repository)}", path.read_bytes())
    return place


@pytest.fixture
def values(bucket, postgres):
    name = f"pods_{secrets.token_hex(4)}"
    postgres.create(name)
    database = urlsplit(postgres.url_of(name))
    return {
        "access": {"keysSecret": "keys"},
        "models": {
            "source": "s3",
            "url": f"s3://{bucket.bucket}/{bucket.prefix}/models",
            "endpoint": bucket.endpoint,
            "secret": "store",
        },
        "objectStore": {
            "bucket": bucket.bucket,
            "prefix": f"{bucket.prefix}/results",
            "endpoint": bucket.endpoint,
            "secret": "store",
        },
        "postgres": {
            "host": database.hostname,
            "port": database.port,
            "database": name,
            "user": database.username,
            "secret": "database",
            "tls": False,
        },
        "workers": {"tiny": {"models": ["tiny"]}},
    }


@pytest.fixture
def secret_files(bucket, postgres, tmp_path):
    """The Secrets' files, as a pod has them, and the key that opens the service."""
    for folder in ("secrets/models", "secrets/store", "secrets/postgres", "keys"):
        (tmp_path / "mounted" / folder).mkdir(parents=True)
        if folder.startswith("secrets/") and folder != "secrets/postgres":
            shutil.copy(bucket.access_key_file, tmp_path / "mounted" / folder / "access_key")
            shutil.copy(bucket.secret_key_file, tmp_path / "mounted" / folder / "secret_key")
    shutil.copy(postgres.password_file, tmp_path / "mounted/secrets/postgres/password")
    new = [sys.executable, "-m", "oncoserve", "keys", "new", "ward", "--file", tmp_path / "mounted/keys/keys"]
    return subprocess.run(new, capture_output=True, text=True, check=True).stdout.split()[-1]


@pytest.fixture
def start_pod(tmp_path):
    """Starts the containers of a pod one after the other, as `start_pod(name, specification)`."""
    with ExitStack() as stack:

        def start(name, specification):
            folder = tmp_path / "mounted"
            ports = dict(zip(("8001", "8002", "8003", "5000"), map(str, free_ports(4)), strict=True))
            (tmp_path / name).mkdir()

            def here(text):
                for path in MOUNTED:
                    own = tmp_path / name if path in {"/models", "/tmp/triton", "/var/lib/oncoserve"} else folder  # noqa: S108
                    text = re.sub(rf"(?<![\w:/.-]){path}(?=/|$)", f"{own}{path}", text)
                for theirs, ours in ports.items():
                    text = re.sub(rf"(?<=127\.0\.0\.1:){theirs}|(?<=, ){theirs}(?=,)|^{theirs}$", ours, text)
                return text

            pod = SimpleNamespace(
                folder=tmp_path / name, ports=ports, here=here, url=f"http://127.0.0.1:{ports['5000']}"
            )
            found = {}
            for container, given in containers(specification).items():
                found[container] = Container(pod, given)
                if container == "models":
                    found[container].start()
                    assert found[container].wait() == 0, found[container].output()
                else:
                    stack.enter_context(found[container])
            return pod, found

        yield start


def test_a_frontend_and_a_worker_as_they_were_rendered(start_pod, embedded_triton, values, secret_files):
    specifications = pods(values)
    pod, frontend_pod = start_pod("frontend", specifications[""])
    frontend, triton = frontend_pod["frontend"], frontend_pod["triton"]
    assert "other, tiny: 10 files" in frontend_pod["models"].output()
    assert frontend.probe("readinessProbe")
    assert frontend.probe("livenessProbe")
    assert triton.probe("livenessProbe")
    assert httpx.get(f"{pod.url}/metrics").status_code == 401
    with httpx.Client(base_url=pod.url, timeout=60, headers={"X-API-Key": secret_files}) as client:
        series = 'nv_inference_pending_request_count{model="tiny",version="1"} 0'
        assert series in client.get("/metrics").text
        assert client.post("/v1/models/tiny/predict", content=encoded(noise(seed=1))).status_code == 200
        job = client.post("/v1/jobs", data={"model": "tiny"}, files=[("images", ("a.png", encoded(noise(seed=2))))])
        assert job.status_code == 202, job.text
        address = f"/v1/jobs/{job.json()['id']}"
        assert client.get(address).json()["state"] == "QUEUED"  # frontends leave them to workers
        _, worker_pod = start_pod("worker", specifications["worker-tiny"])
        until = time.monotonic() + PATIENCE_S
        while (state := client.get(address).json()["state"]) in {"QUEUED", "RUNNING"}:
            assert time.monotonic() < until
            time.sleep(0.2)
        assert state == "SUCCEEDED"
    check_the_end(specifications[""], frontend, triton)
    check_the_end(specifications["worker-tiny"], worker_pod["worker"], worker_pod["triton"])


def check_the_end(specification, first, triton):
    """As the kubelet ends a pod: a sidecar after the others, all within the grace."""
    began = time.monotonic()
    assert first.stop() == 0
    assert triton.probe("livenessProbe")
    assert triton.stop() == 0
    assert time.monotonic() - began < specification["terminationGracePeriodSeconds"]
