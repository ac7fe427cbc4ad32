"""Options and servers that every test may use."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from inference_server import runtime
from inference_server.launch_errors import LaunchError
from testbed.servers import PROJECT, FrontendServer, TritonServer
from testbed.storage.postgres import Postgres
from testbed.storage.seaweed import Seaweed
from tests.distribution import Suites, place, turn

SERVERS = {"embedded_triton", "emulator", "seaweed", "postgres"}  # fixtures of tests that start servers


def pytest_addoption(parser):
    for name, what in (
        ("triton", "the embedded Triton and the exported models"),
        ("browser", "a browser"),
        ("prometheus", "prometheus and promtool"),
        ("docker", "a Docker engine with Compose"),
        ("aws", "the emulator of AWS"),
        ("seaweed", "SeaweedFS"),
        ("postgres", "Debian's PostgreSQL"),
        ("compiler", "a C compiler"),
        ("orthanc", "Orthanc with its DICOMweb plugin, and DCMTK"),
        ("dicom3tools", "dciodvfy of dicom3tools"),
        ("schemas", "the packages with KEDA's and KServe's schemas"),
    ):
        parser.addoption(f"--require-{name}", action="store_true", help=f"fail, instead of skip, without {what}")
    parser.addoption("--gpu-image", action="store_true", help="build the image for a GPU too, a download of 1.5 GB")
    parser.addoption("--exported", type=Path, metavar="FOLDER", help="of networks that were exported with PyTorch")
    parser.addoption("--long", action="store_true", help="the tests too that CI has no time for")
    parser.addoption("--update-screenshots", action="store_true", help="store how the page looks now")
    parser.addoption("--update-links", action="store_true", help="write the line numbers of functions into docs")


def pytest_configure():
    """Let the processes that tests start hear Ctrl-C, also where a shell started this one in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False
    return Suites(config, log)


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        left = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    for item in items:
        if SERVERS.intersection(item.fixturenames):
            item.add_marker("servers")
    items.sort(key=lambda item: place(item.nodeid))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(scope="session")
def unavailable(request):
    """Skips for want of something, or fails where the command line says that it must be there.

    Call it as `unavailable("triton", "reason")`.
    """

    def skip_or_fail(what, reason):
        if request.config.getoption(f"--require-{what}"):
            pytest.fail(f"{reason} (--require-{what})", pytrace=False)
        pytest.skip(reason)

    return skip_or_fail


@pytest.fixture(scope="session")
def embedded_triton(unavailable):
    """Makes sure that the embedded Triton can run here; for tests that start their own."""
    try:
        runtime.find_stub(runtime.locate())
        runtime.find_libpython()
    except LaunchError as error:
        unavailable("triton", str(error))


@pytest.fixture(scope="session")
def emulator(unavailable, tmp_path_factory):
    """The emulator of AWS, one for the whole run; whoever asks without a role of its own is the account's root."""
    from testbed.aws_emulator import ROOT, Emulator  # noqa: PLC0415 - makes an environment of its own

    try:
        server = Emulator(tmp_path_factory.mktemp("emulator"))
    except (OSError, subprocess.CalledProcessError) as error:
        unavailable("aws", f"the emulator's packages cannot be installed: {error}")
    before = dict(os.environ)
    os.environ |= ROOT
    with server:
        yield server
    os.environ.clear()
    os.environ |= before


@pytest.fixture(scope="session")
def seaweed(unavailable, tmp_path_factory) -> Seaweed:
    """An S3-compatible store, one for the whole run: use a prefix of your own, and leave it running."""
    if missing := Seaweed.missing():
        unavailable("seaweed", f"not installed: {missing}")
    with Seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres(unavailable, tmp_path_factory) -> Postgres:
    """A PostgreSQL, one for the whole run: use a database of your own, and leave it running."""
    if missing := Postgres.missing():
        unavailable("postgres", f"not installed: {missing}")
    with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def model_repository(unavailable) -> Path:
    """The project's own model repository, every model exported."""
    repository = PROJECT / "model_repository"
    missing = [
        folder.parent.name
        for folder in repository.glob("*/config.pbtxt")
        if not any(folder.parent.glob("[0-9]*/model.onnx"))
    ]
    if missing:
        unavailable("triton", f"not exported: {', '.join(missing)}; run `make models`")
    return repository


@pytest.fixture(scope="session")
def triton(embedded_triton, model_repository, tmp_path_factory) -> TritonServer:
    """The real Triton with the project's models, one for the whole run: leave it as it was."""
    with TritonServer(model_repository, tmp_path_factory.mktemp("triton")) as server:
        yield server


@pytest.fixture(scope="session")
def frontend(triton, tmp_path_factory) -> FrontendServer:
    """The real frontend on the real Triton with the project's models, one for the whole run.

    Its patience is a busy machine's, on which a picture of many tiles takes more than the default.
    """
    folder = tmp_path_factory.mktemp("frontend")
    with FrontendServer(triton.grpc_url, folder, results_dir=folder / "results", infer_timeout_s=240) as server:
        yield server
