"""The profile `pacs` in containers, with Debian's Orthanc; long, since it builds one image more."""

import shutil
import subprocess
import time

import httpx
import numpy as np
import pytest

from testbed.picture_files.dicom_files import mr_series
from testbed.servers import free_ports
from tests.compose.stack import LONGEST_BUILD_S, Stack

pytestmark = [pytest.mark.timeout(1800), pytest.mark.long]
PASSWORD = 'with "quotes" and \\'  # noqa: S105 - of a server that lives as long as a test
LONGEST_S = 120


def reports(orthanc):
    """How many structured reports the PACS has."""
    return sum(one["00080060"]["Value"] == ["SR"] for one in orthanc.get("/dicom-web/instances").json())


def test_what_either_is_sent_is_asked_about_and_stored_in_the_pacs(engine, unavailable, tmp_path):
    if shutil.which("storescu") is None:
        unavailable("orthanc", "not installed: storescu")
    web, dicom, listener = free_ports(3)
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    files = [tmp_path / "to_pacs.dcm", tmp_path / "to_listener.dcm"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64)).astype(np.uint8)
    for path, data in zip(files, mr_series(pixels), strict=True):
        path.write_bytes(data)
    ports = {"ORTHANC_PORT": web, "ORTHANC_DICOM_PORT": dicom, "DICOM_PORT": listener}
    with (
        Stack(**ports, PACS_PASSWORD_FILE=secret) as stack,
        httpx.Client(base_url=f"http://127.0.0.1:{web}", auth=("oncoserve", PASSWORD)) as orthanc,
    ):
        stack.compose("--profile", "pacs", "up", "--build", "--detach", "--wait", timeout_s=LONGEST_BUILD_S)
        try:
            assert httpx.get(f"http://127.0.0.1:{web}/system").status_code == 401
            for path, title, port in zip(files, ("ORTHANC", "ONCOSERVE"), (dicom, listener), strict=True):
                subprocess.run(["storescu", "-aec", title, "127.0.0.1", str(port), path], check=True)
            deadline = time.monotonic() + LONGEST_S
            while reports(orthanc) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.5)
        finally:
            stack.compose("--profile", "pacs", "down", "--volumes", "--rmi", "all", "--timeout", "1")
