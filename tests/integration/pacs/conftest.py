import io
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from testbed.models.outliner import write_outliner
from testbed.pacs.orthanc import PASSWORD, USER, Orthanc
from testbed.picture_files.dicom_files import PLANTED, mr_series
from testbed.servers import DEAD_PROXY, PROJECT, FrontendServer, TritonServer

MODEL = "outliner"
OURS = {
    "1.2.840.10008.5.1.4.1.1.66.4": "seg",
    "1.2.840.10008.5.1.4.1.1.7": "sc",
    "1.2.840.10008.5.1.4.1.1.88.33": "sr",
    "1.2.840.10008.5.1.4.1.1.88.34": "sr",
}
"""By storage class, what we store."""


@pytest.fixture(scope="session", autouse=True)
def programs(unavailable):
    missing = [Orthanc.missing(), *(name for name in ("/usr/bin/storescu", "storescp") if shutil.which(name) is None)]
    if any(missing):
        unavailable("orthanc", f"not installed: {', '.join(filter(None, missing))}")


@pytest.fixture(scope="package")
def service(embedded_triton, tmp_path_factory):
    """The real frontend on the real Triton, with a tiny model that outlines what is bright."""
    folder = tmp_path_factory.mktemp("service")
    write_outliner(folder / "repository", MODEL)
    with (
        TritonServer(folder / "repository", folder) as triton,
        FrontendServer(
            triton.grpc_url, folder, model_repository=folder / "repository", results_dir=folder / "results"
        ) as server,
    ):
        yield server


@pytest.fixture
def orthanc(tmp_path):
    """A PACS that is empty."""
    folder = tmp_path / "orthanc"
    folder.mkdir()
    with Orthanc(folder) as server:
        yield server


def source(name="MR_small.dcm", **changes):
    """A file of pydicom's, as it is but for what changes."""
    path = get_testdata_file(name)
    if not changes:
        return Path(path).read_bytes()
    dataset = pydicom.dcmread(path)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset)
    return file.getvalue()


def slices(count, seed=0):
    """A study of one series with so many slices of noise, each different, of somebody who is planted in them."""
    noise = np.random.default_rng(seed).integers(0, 256, (count, 64, 64)).astype(np.uint8)
    return mr_series(noise, **PLANTED)


def kinds(orthanc):
    """How many objects of ours a PACS has, by their kind."""
    return Counter(OURS[tags["00080016"]] for tags in orthanc.instances().values() if tags["00080016"] in OURS)


def everything(count):
    """What `kinds` finds where all outputs of so many frames are there."""
    return dict.fromkeys(("seg", "sc", "sr"), count)


@pytest.fixture
def pacs(service, tmp_path):
    """Starts `oncoserve pacs` in a process of its own. Call it as `pacs("pull", orthanc, ...)`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONCO_")} | DEAD_PROXY
    started = []

    def start(action, *arguments, to=None, password=PASSWORD):
        command = [sys.executable, "-m", "oncoserve", "pacs", action, "--model", MODEL, "--url", service.url]
        command += [*(["--dicomweb", to, "--user", USER] if to else []), *arguments]
        process = subprocess.Popen(
            [str(each) for each in command],
            cwd=PROJECT,
            env=environment | {"ONCO_PACS_PASSWORD": password},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def pull(pacs):
    """Runs `oncoserve pacs pull` to its end; gives the exit code and what it printed."""

    def run(orthanc, *arguments, **options):
        process = pacs("pull", *arguments, **{"to": orthanc.dicomweb} | options)
        printed, _ = process.communicate(timeout=120)
        return process.returncode, printed

    return run
