"""A real Orthanc, the PACS that tests and trials store in."""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import httpx

from testbed.servers import Server, free_ports

PLUGIN: Final = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "oncoserve", "a secret of this test"
SETTINGS: Final = {
    "AuthenticationEnabled": True,
    "DicomAet": "ORTHANC",
    "DicomCheckCalledAet": True,
    "Plugins": [str(PLUGIN)],
    "RegisteredUsers": {USER: PASSWORD},
    "RemoteAccessAllowed": True,  # it takes requests to 127.0.0.1 for such, where an address is named
}


class Orthanc(Server):
    """An Orthanc with its DICOMweb plugin, on free ports of 127.0.0.1; killed and started again it has what it had.

    It speaks no TLS: Debian's ends with a segmentation fault at the first connection.

    Args:
        folder: Gets its database, its configuration and its log.

    Attributes:
        dicomweb: Address of its DICOMweb interface.
    """

    def __init__(self, folder: Path) -> None:
        port, self.dicom_port = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self.dicomweb = f"{self.url}/dicom-web"
        settings: dict[str, Any] = {
            **SETTINGS,
            "DicomPort": self.dicom_port,
            "HttpPort": port,
            "IndexDirectory": str(folder / "database"),
            "StorageDirectory": str(folder / "database"),
        }
        configuration = folder / "orthanc.json"
        configuration.write_text(json.dumps(settings))
        self.http = httpx.Client(base_url=self.url, auth=(USER, PASSWORD), trust_env=False, timeout=60)
        super().__init__([_program() or "Orthanc", str(configuration)], self.url, {}, folder / "orthanc.log")

    @staticmethod
    def missing() -> str:
        """What is not installed; empty if nothing is."""
        return "" if _program() and PLUGIN.exists() else "orthanc and orthanc-dicomweb"

    def is_ready(self) -> bool:
        """Ask once."""
        try:
            return self.http.get("/system").is_success
        except httpx.HTTPError:
            return False

    def take(self, *files: bytes) -> None:
        """Store instances, as they are."""
        for file in files:
            self.http.post("/instances", content=file).raise_for_status()

    def instances(self) -> dict[str, dict[str, str]]:
        """What it has, by SOPInstanceUID: the first value of each attribute that a search gives, by tag."""
        listed = self.http.get("/dicom-web/instances").raise_for_status().json()
        found = [{tag: str(each["Value"][0]) for tag, each in one.items() if each.get("Value")} for one in listed]
        return {one["00080018"]: one for one in found}

    def file(self, uid: str) -> bytes:
        """An instance as it is stored there."""
        (found,) = self.http.post("/tools/lookup", content=uid).raise_for_status().json()
        return self.http.get(f"{found['Path']}/file").raise_for_status().content

    def __exit__(self, *_: object) -> None:
        self.http.close()
        if self.process is not None and self.process.poll() is None:
            self.kill()  # it takes seconds to leave


def _program() -> str | None:
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
