"""Every limit and address of the frontend, read once from the environment (`ONCO_*`)."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from oncoserve.runtime import addresses
from oncoserve.runtime.machine import processes
from oncoserve.storage_settings import StorageSettings

PREFIX = "ONCO_"
LAUNCHER_PREFIX = "ONCO_TRITON_"  # read by inference_server, which refuses unknown names itself
CLIENT_KEY = "ONCO_API_KEY"  # read by the command-line client, which may share a shell with the service


def _counted(text: object) -> object:
    return processes() if text == "auto" else text


class Settings(StorageSettings):
    """The frontend's settings. Field `x` is read from `ONCO_X`; a value out of bounds aborts start-up."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address that the frontend listens on."""

    port: int = Field(default=5000, ge=1, le=65535)
    """Port that the frontend listens on."""

    workers: Annotated[int, BeforeValidator(_counted)] = Field(default_factory=processes, ge=1, le=64)
    """Number of frontend processes; auto is one for each core, at most 4, fewer where memory is short."""

    published_host: str = ""
    """Address that the port is published on, where that is not ONCO_HOST, as with a container."""

    sagemaker: bool = False
    """Answer GET /ping and POST /invocations, as an endpoint of SageMaker asks its container."""

    root_path: str = ""
    """Path that a proxy publishes the service under, such as /oncology; empty means the root of its host."""

    trusted_proxies: str = ""
    """Addresses and networks of the proxies whose X-Forwarded-* headers are believed, comma-separated; empty: none."""

    api_keys_file: Path | None = None
    """File with the hashes of the API keys, see docs/security.md; empty means that no key is needed."""

    allow_anonymous: bool = False
    """Whether the service may be reached from other machines without an API key."""

    rate_limit_per_min: int = Field(default=0, ge=0, le=1_000_000)
    """Requests per minute of one caller, over all worker processes; 0 is no limit; a key may have its own limit."""

    cors_origins: str = Field(default="", pattern=r"^(https?://[^\s,/*]+(,https?://[^\s,/*]+)*)?$")
    """Origins whose web pages may send requests, such as https://viewer.example, comma-separated; empty means none."""

    inference_url: str = Field(default="127.0.0.1:8001", pattern=r"^[^/\s]+:\d+$")
    """host:port of Triton's gRPC service."""

    inference_metrics_url: str = Field(default="", pattern=r"^([^/\s]+:\d+)?$")
    """host:port of Triton's metrics, of which /metrics passes on how many requests wait; empty: none."""

    model_repository: Path = Path("model_repository")
    """Folder with a `card.json` per model."""

    job_workers: int = Field(default=1, ge=0, le=64)
    """Processes beside the frontend that work on jobs; 0 where they run elsewhere."""

    jobs_ttl_s: int = Field(default=7 * 24 * 3600, ge=60, le=10 * 366 * 24 * 3600)
    """Seconds after which a job expires, with its pictures and file names."""

    max_job_images: int = Field(default=1000, ge=1, le=100_000)
    """Images that one job may have."""

    max_job_bytes: int = Field(default=2 * 2**30, ge=1024, le=2**40)
    """Bytes that the pictures of one job may have, unpacked and with each DICOM frame as a file of its own."""

    max_queued_images: int = Field(default=50_000, ge=1)
    """Images of jobs of all callers that may wait at once."""

    max_queued_images_per_owner: int = Field(default=10_000, ge=1)
    """Images of one caller's jobs that may wait at once; without API keys all callers are one."""

    job_images_in_flight: int = Field(default=8, ge=1, le=1024)
    """Images per model that one worker process has under way at once."""

    job_max_attempts: int = Field(default=5, ge=1, le=100)
    """Attempts at an image of a job before it is given up."""

    job_lease_s: float = Field(default=30.0, ge=1, le=3600)
    """Seconds after which an image whose worker gave no sign of life is handed to another."""

    job_models: str = Field(default="", pattern=r"^([\w.-]+(,[\w.-]+)*)?$")
    """Models whose jobs a worker does, comma-separated; empty means all."""

    jobs: Literal["embedded", "postgres", "aws"] = "embedded"
    """Where jobs are kept: embedded, in ONCO_RESULTS_DIR; postgres, see docs/scale_out.md; or aws, see docs/aws.md."""

    postgres_url: str = Field(default="", pattern=r"^(postgresql://[^\s:/@]+@[^\s/@]+/[^\s/?]+)?$")
    """Database of the jobs, such as postgresql://oncoserve@db.hospital.example:5432/oncoserve; without the password."""

    postgres_password_file: Path | None = None
    """File with the password; read with each connection."""

    postgres_tls: bool = False
    """Whether PostgreSQL has to show a certificate of its name."""

    postgres_ca_file: Path | None = None
    """File with the certificates, PEM, that vouch for PostgreSQL; empty means those of the system."""

    aws_bucket: str = ""
    """S3 bucket of the pictures and results of jobs."""

    aws_table: str = ""
    """DynamoDB table of the records of jobs."""

    aws_topic: str = ""
    """ARN of the SNS topic that images of jobs are published to."""

    aws_queue_prefix: str = ""
    """Prefix of the names of the models' SQS queues."""

    aws_results_host: str = Field(default="", pattern=r"^[\w.-]*$")
    """Host of the CDN in front of the bucket; empty means that results are read from S3."""

    aws_cdn_key_id: str = Field(default="", pattern=r"^\w*$")
    """CloudFront's id of the key that addresses of results are signed with; needed where there is a CDN."""

    aws_endpoint_url: str = Field(default="", pattern=r"^(https?://[^/\s]+)?$")
    """Address of an emulator of AWS; empty means AWS."""

    samples_dir: Path = Path("build/samples")
    """Folder with the sample pictures of the page, one folder per model; whoever reaches the service may see them."""

    max_upload_bytes: int = Field(default=256 * 2**20, ge=1024, le=2**30)
    """Largest request body, in bytes."""

    max_image_pixels: int = Field(default=100_000_000, ge=1, le=10**9)
    """Largest picture, in pixels (width times height)."""

    receive_timeout_s: int = Field(default=10, ge=1, le=600)
    """Seconds that a caller may be silent during a request or an answer, and that a request's head may take."""

    idle_timeout_s: int = Field(default=75, ge=1, le=3600)
    """Seconds that a connection is kept for its caller's next request, as answers say in `Keep-Alive`."""

    max_connections: int = Field(default=512, ge=1, le=65536)
    """Connections that one worker process holds at once; above it idle ones are closed, then the next is refused."""

    infer_timeout_s: float = Field(default=30.0, gt=0, le=600)
    """Longest wait for Triton per inference request, in seconds; a large picture makes several."""

    max_batches_in_flight: int = Field(default=4, ge=1, le=1024)
    """Full batches of requests, and large pictures, per model under way at once, over all worker processes."""

    max_tiles_in_flight: int | None = Field(default=None, ge=1, le=256)
    """Inference requests that one picture may have under way at once; left out, what fills the model's batches."""

    cpu_threads: int = Field(default=min(4, os.cpu_count() or 1), ge=1, le=256)
    """Threads of each worker process for decoding, resizing and encoding."""

    memory_bytes: int = Field(default=2 * 2**30, ge=64 * 2**20, le=2**40)
    """Bytes for uploads, pictures being decoded and drawings, over all worker processes; who finds no room waits."""

    viewer_cache_bytes: int = Field(default=512 * 2**20, ge=0, le=2**40)
    """Bytes of decoded pictures on view, over all worker processes; the last one is kept even when it is larger."""

    poll_interval_s: float = Field(default=1.0, ge=0.05, le=60)
    """Seconds between two checks of Triton's readiness."""

    drain_s: float = Field(default=0.0, ge=0, le=300)
    """Seconds that the frontend still listens after SIGTERM, while /readyz says not ready, so that a proxy notices."""

    shutdown_grace_s: int = Field(default=10, ge=0, le=600)
    """Seconds that running requests get to finish when the frontend is told to stop."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level of log lines that are written."""

    otlp_endpoint: str = Field(default="", pattern=r"^(https?://[^/\s]+/?)?$")
    """OTLP/HTTP address that traces are sent to, such as http://localhost:4318; empty means no traces."""

    @field_validator("api_keys_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("root_path")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        if value.endswith("/"):
            raise ValueError("it ends with a slash; write it without, or leave it empty for the root of the host")
        return addresses.root_path(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        addresses.networks(value)
        return value

    @model_validator(mode="after")
    def _not_open_to_everybody(self) -> "Settings":
        reached_at = self.published_host or self.host
        if not (self.api_keys_file or self.allow_anonymous or _is_loopback(reached_at)):
            raise ValueError(
                f"other machines would reach the service on {reached_at} without an API key; "
                f"set {PREFIX}API_KEYS_FILE, or {PREFIX}ALLOW_ANONYMOUS=true if everybody may ask"
            )
        return self

    @model_validator(mode="after")
    def _aws_is_named(self) -> "Settings":
        missing = [
            name for name in ("aws_bucket", "aws_table", "aws_topic", "aws_queue_prefix") if not getattr(self, name)
        ]
        if self.jobs == "aws" and missing:
            raise ValueError(f"{PREFIX}JOBS=aws needs {', '.join(PREFIX + name.upper() for name in missing)} too")
        return self

    @model_validator(mode="after")
    def _postgres_is_named(self) -> "Settings":
        if self.jobs == "postgres" and not self.postgres_url:
            raise ValueError(f"{PREFIX}JOBS=postgres needs {PREFIX}POSTGRES_URL too")
        for each in (self.postgres_password_file, self.postgres_ca_file):
            if self.jobs == "postgres" and each is not None and not each.is_file():
                raise ValueError(f"there is no file {each}, which is to be read to ask PostgreSQL")
        return self

    @property
    def jobs_dir(self) -> Path:
        """Folder that keeps the embedded jobs: in that of the results, so that one volume holds both."""
        return self.results_dir / "jobs"

    @property
    def only_models(self) -> frozenset[str]:
        """The models of `job_models`."""
        return frozenset(filter(None, self.job_models.split(",")))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings and refuse names that nobody reads.

        Args:
            environment: what to look for unknown names in; the process's own environment when left out.

        Raises:
            ValueError: an unknown `ONCO_*` name, or (pydantic's subclass) a value out of bounds.
        """
        names = os.environ if environment is None else environment
        known = {PREFIX + field.upper() for field in cls.model_fields}
        unknown = sorted(
            name
            for name in names
            if name.startswith(PREFIX) and not name.startswith(LAUNCHER_PREFIX)
            if name not in known and name != CLIENT_KEY
        )
        if unknown:
            raise ValueError(f"unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        return cls()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
