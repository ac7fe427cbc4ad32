"""The whole stack on the emulator, with the project's models."""

import sysconfig

import httpx
import pytest

from frontend.keys import new_key
from tests.aws.emulator import Stack
from tests.servers import PROJECT

OWNERS = ("lab", "ward")


@pytest.fixture(scope="session")
def stack(emulator):
    """The template as it is. The functions' own code is in their package; the packages that it needs are this run's."""
    made = Stack(emulator, "oncoserve")
    functions = emulator.client("lambda")
    for function in map(made.resource, ("FrontendFunction", "AuthoriserFunction")):
        given = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        given |= {"ONCO_AWS_ENDPOINT_URL": emulator.url, "PYTHONPATH": sysconfig.get_path("purelib")}
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": given})
    return made


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


@pytest.fixture(scope="session")
def sample():
    """A picture of the kind that brain_mri is for."""
    return (PROJECT / "build/samples/brain_mri/glioma/Te-gl_0010.jpg").read_bytes()
