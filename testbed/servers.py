"""Starts, watches and ends the real servers that tests talk to."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import psutil

PROJECT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server process, a context manager: entering starts it and waits until it is ready, leaving stops it.

    Args:
        argv: The command.
        ready_url: Ready when GET answers 200.
        env: Variables beside the ones of this process, from which every ONCO_* is taken away.
        log: The file that gets its output.
        ready_timeout_s: How long it may take to become ready.
        cwd: The folder that it is run in.
    """

    def __init__(
        self,
        argv: Sequence[str],
        ready_url: str,
        env: dict[str, str],
        log: Path,
        ready_timeout_s: float = 240,
        cwd: Path = PROJECT,
    ):
        self.argv, self.ready_url, self.log, self.ready_timeout_s = list(argv), ready_url, log, ready_timeout_s
        self.cwd = cwd
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ONCO_")}
        self.env = {**inherited, **env}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the command, not of its children."""
        assert self.process is not None, "not started"
        return self.process.pid

    def start(self) -> None:
        """Start it and return at once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.argv, cwd=self.cwd, env=self.env, stdout=log, stderr=subprocess.STDOUT)

    def wait_ready(self) -> None:
        """Wait until it is ready; fails with the end of its log if it dies or takes too long."""
        deadline = time.monotonic() + self.ready_timeout_s
        while not self.is_ready():
            if self.process is None or self.process.poll() is not None:
                self._fail("ended before it was ready")
            if time.monotonic() > deadline:
                self.stop()
                self._fail(f"not ready after {self.ready_timeout_s} s")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Ask once."""
        try:
            with urllib.request.urlopen(self.ready_url, timeout=5) as response:  # noqa: S310 - http, written above
                return response.status == 200
        except OSError:
            return False

    def stop(self, signum: int = signal.SIGTERM, timeout_s: float = 120) -> int:
        """Signal it, wait for its end and return its exit code; SIGKILL and a failure if it does not end."""
        assert self.process is not None, "not started"
        if self.process.poll() is None:
            self.process.send_signal(signum)
        return self.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL: it gets no chance to clean up."""
        self.stop(signal.SIGKILL)

    def wait(self, timeout_s: float = 120) -> int:
        """Wait for its end and return its exit code; SIGKILL and a failure if it does not come."""
        assert self.process is not None, "not started"
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self._fail(f"did not end within {timeout_s} s")

    def output(self) -> str:
        """Everything that it printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def family(self) -> list[psutil.Process]:
        """Its children, their children and so on, at this moment."""
        return psutil.Process(self.pid).children(recursive=True)

    def _fail(self, reason: str) -> None:
        tail = "\n".join(self.output().splitlines()[-40:])
        raise AssertionError(f"{' '.join(self.argv)}: {reason}\n{tail}")


class TritonServer(Server):
    """The embedded Triton, started by its launcher on free ports.

    Args:
        repository: The model repository.
        folder: Gets its log and its assembled backends.
        command: What the launcher starts as soon as Triton is ready; nothing by default.
        settings: ONCO_TRITON_* without the prefix, in lower case.
    """

    def __init__(self, repository: Path, folder: Path, command: Sequence[str] = (), **settings: object):
        self.grpc_port, self.http_port, self.metrics_port = free_port(), free_port(), free_port()
        self.folder = folder
        values = {
            "grpc_port": self.grpc_port,
            "http_port": self.http_port,
            "metrics_port": self.metrics_port,
            "model_repository": repository,
            "work_directory": folder,
            **settings,
        }
        super().__init__(
            [sys.executable, "-m", "inference_server", *(["--", *command] if command else [])],
            f"http://127.0.0.1:{self.http_port}/v2/health/ready",
            {f"ONCO_TRITON_{name.upper()}": str(value) for name, value in values.items()},
            folder / "launcher.log",
        )

    @property
    def grpc_url(self) -> str:
        """Address of the gRPC API, as tritonclient wants it."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def triton_log(self) -> str:
        """Triton's own log."""
        path = self.folder / str(self.grpc_port) / "triton.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def triton_process(self) -> psutil.Process:
        """The tritonserver process itself."""
        return next(process for process in self.family() if process.name() == "tritonserver")

    def shared_memory(self) -> list[Path]:
        """What this server has in shared memory."""
        return list(Path("/dev/shm").glob(f"oncoserve_triton_{self.pid}_*"))  # noqa: S108


class FrontendServer(Server):
    """The frontend, talking to a Triton.

    Args:
        grpc_url: Triton's gRPC address.
        folder: Gets its log.
        settings: ONCO_* without the prefix, in lower case; no worker for jobs unless they say so.
    """

    def __init__(self, grpc_url: str, folder: Path, **settings: object):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        values = {"host": "127.0.0.1", "port": self.port, "inference_url": grpc_url, "job_workers": 0, **settings}
        super().__init__(
            [sys.executable, "-m", "frontend"],
            f"{self.url}/readyz",
            {f"ONCO_{name.upper()}": str(value) for name, value in values.items()},
            folder / "frontend.log",
        )
