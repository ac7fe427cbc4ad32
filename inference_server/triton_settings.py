"""Settings of the embedded Triton server, read from ONCO_TRITON_* environment variables."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from inference_server.launch_errors import SettingsError

PREFIX = "ONCO_TRITON_"


def available_cores() -> int:
    """Return how many CPU cores this process may use (its affinity, not the machine's count)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class TritonSettings(BaseSettings):
    """Where the embedded Triton listens, what it serves and how patient its launcher is."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address that all ports listen on; Triton has no authentication, so loopback."""
    grpc_port: int = Field(default=8001, ge=1, le=65535)
    """Port of the gRPC inference API."""
    http_port: int = Field(default=0, ge=0, le=65535)
    """Port of the HTTP inference API; 0 means none, since what reaches it can end Triton (security.md)."""
    metrics_port: int = Field(default=8002, ge=1, le=65535)
    """Port of Triton's Prometheus metrics."""
    status_port: int = Field(default=8003, ge=1, le=65535)
    """Port of the launcher's own /readyz, /livez and /metrics."""
    model_repository: Path = Path("model_repository")
    """Folder of model folders."""
    model_config_name: str = Field(default="", pattern=r"^[\w.-]*$")
    """Use <model>/configs/<name>.pbtxt where there is one; empty means config.pbtxt, or gpu.pbtxt on a GPU."""
    device: Literal["cpu", "gpu", "auto"] = "cpu"
    """Where the models run; gpu refuses to start where none works, auto takes the CPU then, and says why."""
    gpus: str = Field(default="all", pattern=r"^(all|\d{1,3}(,\d{1,3})*)$")
    """The GPUs to use, by the numbers that nvidia-smi gives them, such as 0,1."""
    gpu_instances: int = Field(default=1, ge=1, le=8)
    """Instances of each model on each GPU; each has its own process and its own copy of the weights."""
    threads: int = Field(default_factory=available_cores, ge=1, le=1024)
    """Threads that one execution may use, for models whose configuration does not say."""
    exit_on_error: bool = True
    """Exit when a model fails to load; false serves the others."""
    log_level: Literal["error", "warning", "info", "verbose"] = "info"
    """The least severe lines that Triton logs."""
    log_file: Path | None = None
    """Where Triton logs; unset means triton.log in the work directory, /dev/stderr suits a container."""
    otlp_endpoint: str = Field(default="", pattern=r"^(https?://[^/\s]+/?)?$")
    """OTLP/HTTP address for Triton's spans of the requests that bring a W3C traceparent; empty means none."""
    work_directory: Path = Path("build/triton")
    """Holds one folder per gRPC port: the assembled backends and the log."""
    startup_timeout_s: float = Field(default=300, gt=0, le=3600)
    """Give up when Triton is not ready after this long, warm-up included."""
    stop_grace_s: float = Field(default=15, ge=1, le=600)
    """Time for requests in flight between SIGTERM and SIGKILL."""

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if len(set(self.ports.values())) < len(self.ports):
            raise ValueError(f"{', '.join(self.ports)} must differ")
        return self

    @model_validator(mode="after")
    def _gpus_differ(self) -> Self:
        if len(set(self.gpu_numbers)) < len(self.gpu_numbers):
            raise ValueError(f"{PREFIX}GPUS={self.gpus} names a GPU twice")
        return self

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the settings and refuse unknown names.

        Raises:
            SettingsError: A variable is unknown, most likely misspelt, or a value is out of bounds.
        """
        unknown = [
            name
            for name in sorted(environ)
            if name.upper().startswith(PREFIX) and name.upper().removeprefix(PREFIX).lower() not in cls.model_fields
        ]
        if unknown:
            known = ", ".join(PREFIX + name.upper() for name in cls.model_fields)
            raise SettingsError(f"Unknown setting {', '.join(unknown)}. Known are {known}.")
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError("\n".join(_describe(detail) for detail in error.errors())) from error

    @property
    def gpu_numbers(self) -> list[int]:
        """The chosen GPUs; none for all of them."""
        return [int(number) for number in self.gpus.split(",") if number != "all"]

    @property
    def ports(self) -> dict[str, int]:
        """The ports that are listened on, by the names of their settings."""
        ports = {name: getattr(self, name) for name in ("grpc_port", "http_port", "metrics_port", "status_port")}
        return {name: port for name, port in ports.items() if port}

    @property
    def address(self) -> str:
        """host:port at which this machine reaches Triton's gRPC service."""
        host = f"[{self.local_host}]" if ":" in self.local_host else self.local_host
        return f"{host}:{self.grpc_port}"

    @property
    def home(self) -> Path:
        """The folder of this one server, absolute, so that servers side by side never share a file."""
        return (self.work_directory / str(self.grpc_port)).resolve()

    @property
    def log_path(self) -> Path:
        """The file that Triton's log goes to."""
        return self.log_file or self.home / "triton.log"

    @property
    def local_host(self) -> str:
        """The address at which this machine reaches the server."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound


def _describe(detail: Mapping[str, object]) -> str:
    """Name the variable behind one pydantic error."""
    location = detail["loc"]
    if isinstance(location, tuple) and location:
        return f"{PREFIX}{str(location[0]).upper()}={detail['input']}: {detail['msg']}"
    return str(detail["msg"])
