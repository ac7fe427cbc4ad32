"""The servers of others: how each is started, in an environment of its own, and ended with everything it starts."""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import psutil

from loadtest.compare.served import Served
from loadtest.shared.process_family import Family
from testbed.locked_environment import make_environment
from testbed.servers import PROJECT, Server, free_port

LOCKS: Final = PROJECT / "loadtest/compare/peers"
ENVIRONMENTS: Final = PROJECT / "build/compare"
_STOP_S: Final = 5.0
# No server may talk to anybody but the client: usage statistics are off. All find `peers.peer_work`.
_ENV: Final = MappingProxyType(
    {
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # as there, all its parts listen on 127.0.0.1 alone
        "PYTHONPATH": str(PROJECT),
    }
)


@dataclass(frozen=True)
class Recipe:
    """How a peer is started.

    Attributes:
        command: What Python is told, in words; `{port}` is where to listen.
        ready_path: Answers 200 when the server is up.
        lock: Its packages, a file of peers/ without `.lock`; "" for this project's environment.
    """

    command: str
    ready_path: str = "/health"
    lock: str = ""


_OURS: Final = "-m loadtest.compare.peers"
_UVICORN: Final = (
    "-m uvicorn loadtest.compare.peers.plain_fastapi:app --port {port} --no-access-log --log-level warning"
)
_BENTOML: Final = f"-m bentoml serve bento_service:Classifier --working-dir {LOCKS} --host 127.0.0.1 --port {{port}}"
PEERS: Final = MappingProxyType(
    {
        "plain_fastapi_1": Recipe(f"{_UVICORN} --workers 1"),
        "plain_fastapi_2": Recipe(f"{_UVICORN} --workers 2"),
        "litserve": Recipe(f"{_OURS}.litserve_server {{port}}", lock="litserve"),
        "bentoml": Recipe(_BENTOML, "/readyz", "bentoml"),
        "ray_serve": Recipe(f"{_OURS}.ray_serve_app {{port}}", "/-/healthz", "ray_serve"),
        "mlserver": Recipe(f"{_OURS}.mlserver_runtime {{port}}", "/v2/health/ready", "mlserver"),
    }
)


class Peer(Server):
    """A server in a session of its own, which ends as a whole, however its workers were started.

    Args:
        recipe: How it is started.
        served: The graph and its class names.
        folder: It runs there, and gets its log and what it writes.

    Raises:
        subprocess.CalledProcessError: Its packages cannot be installed.
    """

    def __init__(self, recipe: Recipe, served: Served, folder: Path) -> None:
        self.port = free_port()
        graph = {
            "PEER_MODEL": str(served.graph),
            "PEER_SIDE": str(served.side),
            "PEER_LABELS": ",".join(served.labels),
            "BENTOML_HOME": str(folder),
        }
        super().__init__(
            [_python(recipe.lock), *(word.format(port=self.port) for word in recipe.command.split())],
            f"http://127.0.0.1:{self.port}{recipe.ready_path}",
            {**_ENV, **graph},
            folder / "peer.log",
            cwd=folder,
        )

    def start(self) -> None:
        """Start it and return at once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - a peer of this project
                self.argv, cwd=self.cwd, env=self.env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def stop(self, signum: int = signal.SIGTERM, timeout_s: float = _STOP_S) -> int:
        """Ask it to end, and after `timeout_s` seconds kill what is left of it."""
        started = self._started()
        members = Family(started.pid).members() if started.poll() is None else []
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signum)
        _, alive = psutil.wait_procs(members, timeout_s)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return started.wait()


def _python(lock: str) -> str:
    """The interpreter of the environment that a lock of peers/ describes, which is made when it is first needed."""
    if not lock:
        return sys.executable
    folder = ENVIRONMENTS / lock
    if not folder.is_dir():
        print(f"Installing the locked packages of {lock} into {folder} ...", file=sys.stderr, flush=True)
    return str(make_environment(folder, LOCKS / f"{lock}.lock") / "python")
