"""The whole stack on the emulator, with the project's models."""

import sys
import time

import httpx
import pytest

from oncoserve.keys import new_key
from testbed.aws_emulator import Stack
from testbed.servers import PROJECT, Server
from tests.aws.deployment import Operator

TIMEOUT_S = 300  # only a test that fails waits that long
OWNERS = ("lab", "ward")


@pytest.fixture(scope="session")
def stack(emulator):
    """The templates as they are; the functions find nothing but what is in their package."""
    made = Stack(emulator, "oncoserve")
    functions = emulator.client("lambda")
    for function in map(made.resource, ("FrontendFunction", "AuthoriserFunction")):
        given = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        given["ONCO_AWS_ENDPOINT_URL"] = emulator.url
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": given})
    return made


@pytest.fixture(scope="session")
def operator(emulator, tmp_path_factory):
    """Runs the commands of `python -m deploy.aws`."""
    return Operator(emulator, tmp_path_factory.mktemp("operator"))


@pytest.fixture(scope="session")
def keys(stack, emulator):
    """An API key by its owner."""
    made = {owner: new_key(owner) for owner in OWNERS}
    lines = "\n".join(str(key) for _, key in made.values())
    emulator.client("s3").put_object(Bucket=stack.outputs["BucketName"], Key="config/api_keys", Body=lines.encode())
    return {owner: secret for owner, (secret, _) in made.items()}


@pytest.fixture
def api(stack, keys, emulator):
    """Asks the stack's HTTP API, as `api("ward")`."""
    host = stack.outputs["ApiUrl"].removeprefix("http://")
    clients = []

    def client(owner=None):
        headers = {"Host": host} | ({} if owner is None else {"X-API-Key": keys[owner]})
        clients.append(httpx.Client(base_url=emulator.url, headers=headers, timeout=60))
        return clients[-1]

    yield client
    for each in clients:
        each.close()


@pytest.fixture
def start_worker(stack, emulator, triton, tmp_path):
    """Starts a worker's process with the rights of the worker's role; it asks AWS at the address given."""
    running = []

    def start(url):
        settings = stack.settings | {"inference_url": triton.grpc_url, "aws_endpoint_url": url}
        settings |= {"job_models": "brain_mri", "results_dir": str(tmp_path / "results"), "job_lease_s": "5"}
        environment = {f"ONCO_{name.upper()}": value for name, value in settings.items()}
        role = emulator.role(stack.outputs["WorkerRoleArnBrainMri"])
        running.append(
            Server([sys.executable, "-m", "oncoserve", "worker"], "", environment | role, tmp_path / "worker.log")
        )
        running[-1].start()
        return running[-1]

    yield start
    for server in running:
        assert server.stop() == 0, server.output()


def ended(client, job):
    """The job's document when its last image has ended."""
    deadline = time.monotonic() + TIMEOUT_S
    while job["state"] in {"QUEUED", "RUNNING"}:
        assert time.monotonic() < deadline, job
        time.sleep(0.25)
        job = client.get(job["links"]["self"]).raise_for_status().json()
    return job


@pytest.fixture(scope="session")
def samples():
    """Pictures of the kind that brain_mri is for."""
    return [path.read_bytes() for path in sorted((PROJECT / "build/samples/brain_mri").glob("*/*.jpg"))[:4]]


@pytest.fixture(scope="session")
def sample(samples):
    """One of them, a glioma."""
    return samples[0]
