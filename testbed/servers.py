"""Starts, watches and ends the real servers that tests and load tests talk to."""

import contextlib
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final, NoReturn, Self

import psutil

from testbed.failures import ServerFailed

PROJECT: Final = Path(__file__).resolve().parent.parent
LOWEST_PORT, LOWEST_PORT_OF_CALLERS = 10_000, 32_768
FRONTEND: Final = (sys.executable, "-m", "frontend")
TRITON: Final = "tritonserver"
DEAD_PROXY: Final[Mapping[str, str]] = {
    **{f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")},
    **{f"{kind}_PROXY": "http://127.0.0.1:9" for kind in ("HTTP", "HTTPS", "ALL")},
    **dict.fromkeys(("no_proxy", "NO_PROXY"), ""),
}
"""Where nobody listens: whoever goes by it reaches nothing. All parts run with it, as they ask each other directly."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment.

    It is below those that Linux gives to callers: a load test beside this one might take it before the server does.
    """
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many different ones; see `free_port`."""
    found: set[int] = set()
    while len(found) < count:
        port = LOWEST_PORT + secrets.randbelow(LOWEST_PORT_OF_CALLERS - LOWEST_PORT)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


class Server:
    """One server process, a context manager: entering starts it and waits until it is ready, leaving stops it.

    Args:
        argv: The command.
        ready_url: Ready when GET answers 200.
        env: Variables beside the ones of this process, from which every ONCO_* is taken away, and DEAD_PROXY.
        log: The file that gets its output.
        ready_timeout_s: How long it may take to become ready.
        cwd: The folder that it is run in.
    """

    def __init__(
        self,
        argv: Sequence[str],
        ready_url: str,
        env: Mapping[str, str],
        log: Path,
        ready_timeout_s: float = 240,
        cwd: Path = PROJECT,
    ) -> None:
        self.argv, self.ready_url, self.log, self.ready_timeout_s = list(argv), ready_url, log, ready_timeout_s
        self.cwd = cwd
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ONCO_")}
        self.env = {**inherited, **DEAD_PROXY, **env}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:  # Ctrl-C among them: nobody else would end it
            with contextlib.suppress(ServerFailed):
                self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the command, not of its children.

        Raises:
            ServerFailed: It was not started.
        """
        return self._started().pid

    def start(self) -> None:
        """Start it and return at once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - servers of this project
                self.argv, cwd=self.cwd, env=self.env, stdout=log, stderr=subprocess.STDOUT
            )

    def wait_ready(self) -> None:
        """Wait until it is ready.

        Raises:
            ServerFailed: It dies or takes too long.
        """
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
                return bool(response.status == HTTPStatus.OK)
        except (OSError, http.client.HTTPException):  # nobody listens yet, or hangs up within an answer
            return False

    def stop(self, signum: int = signal.SIGTERM, timeout_s: float = 120) -> int:
        """Signal it, wait for its end and return its exit code.

        Raises:
            ServerFailed: It does not end and got SIGKILL, or was not started.
        """
        process = self._started()
        if process.poll() is None:
            process.send_signal(signum)
        return self.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL: it gets no chance to clean up."""
        self.stop(signal.SIGKILL)

    def wait(self, timeout_s: float = 120) -> int:
        """Wait for its end and return its exit code.

        Raises:
            ServerFailed: It does not end and got SIGKILL, or was not started.
        """
        process = self._started()
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self._fail(f"did not end within {timeout_s} s")

    def output(self) -> str:
        """Everything that it printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def family(self) -> list[psutil.Process]:
        """Its children, their children and so on, at this moment."""
        return psutil.Process(self.pid).children(recursive=True)

    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise ServerFailed(f"{' '.join(self.argv)}: not started")
        return self.process

    def _fail(self, reason: str) -> NoReturn:
        tail = "\n".join(self.output().splitlines()[-40:])
        raise ServerFailed(f"{' '.join(self.argv)}: {reason}\n{tail}")


class TritonServer(Server):
    """The embedded Triton, started by its launcher on free ports.

    Args:
        repository: The model repository.
        folder: Gets its log and its assembled backends.
        command: What the launcher starts as soon as Triton is ready; nothing by default.
        settings: ONCO_TRITON_* without the prefix, in lower case.
    """

    def __init__(self, repository: Path, folder: Path, command: Sequence[str] = (), **settings: object) -> None:
        self.grpc_port, self.metrics_port, self.status_port = free_ports(3)
        self.folder = folder
        values = {
            "grpc_port": self.grpc_port,
            "metrics_port": self.metrics_port,
            "status_port": self.status_port,
            "model_repository": repository,
            "work_directory": folder,
            **settings,
        }
        super().__init__(
            [sys.executable, "-m", "inference_server", *(["--", *command] if command else [])],
            f"http://127.0.0.1:{self.status_port}/readyz",
            {f"ONCO_TRITON_{name.upper()}": str(value) for name, value in values.items()},
            folder / "launcher.log",
        )

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Stop it, and kill Triton meanwhile, which would take two seconds to leave."""
        if self.process is None or self.process.poll() is not None:
            return
        family = self.family()
        self.process.terminate()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name() == TRITON:
                    process.kill()
        self.wait()

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
        return next(process for process in self.family() if process.name() == TRITON)

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

    def __init__(self, grpc_url: str, folder: Path, **settings: object) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        own = {"host": "127.0.0.1", "port": self.port, "inference_url": grpc_url, "job_workers": 0, "workers": 1}
        super().__init__(FRONTEND, f"{self.url}/readyz", _variables({**own, **settings}), folder / "frontend.log")

    def processes(self, module: str) -> list[psutil.Process]:
        """Those of its processes that run a module, such as `frontend.serving`, at this moment."""
        found = []
        for process in self.family():
            with contextlib.suppress(psutil.Error):  # it has just ended
                if process.cmdline()[-2:] == ["-m", module]:
                    found.append(process)
        return found

    @property
    def serving_pid(self) -> int:
        """Process id of the first process that answers callers; the command itself only keeps it running."""
        return self.processes("frontend.serving")[0].pid


class WholeService(TritonServer):
    """Launcher, embedded Triton and frontend as one command, as `make run` starts them; ready when both are.

    Args:
        repository: The model repository of both.
        folder: Gets the logs and the results.
        settings: ONCO_* without the prefix, in lower case; no worker for jobs unless they say so.
    """

    def __init__(self, repository: Path, folder: Path, **settings: object) -> None:
        super().__init__(repository, folder, FRONTEND)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ready_url = f"{self.url}/readyz"
        values = {
            "host": "127.0.0.1",
            "port": self.port,
            "job_workers": 0,
            "workers": 1,
            "model_repository": repository,
            "results_dir": folder / "results",
            **settings,
        }
        self.env |= _variables(values)


def _variables(settings: Mapping[str, object]) -> dict[str, str]:
    """The environment that says so: ONCO_* by settings without the prefix, in lower case."""
    return {f"ONCO_{name.upper()}": str(value) for name, value in settings.items()}
