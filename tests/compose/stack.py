"""The project's docker-compose.yml as a user runs it, under a project name and on ports of its own."""

import json
import os
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from testbed.servers import PROJECT, free_port

LONGEST_BUILD_S = 600
KILL = """
import os, pathlib, sys
for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
    pid = int(comm.parent.name)
    if pid not in (1, os.getpid()) and comm.read_text().strip() == sys.argv[1][:15]:  # as much as the kernel keeps
        os.kill(pid, 9)
"""


class Stack:
    """A Compose project, a context manager: entering builds its images, leaving removes everything that it made.

    Args:
        file: Which of the project's.
        variables: What a user would write into .env.
    """

    def __init__(self, file: str = "docker-compose.yml", **variables: object):
        self.file = file
        self.project = f"oncoserve-test-{secrets.token_hex(4)}"
        self.port, self.grpc_port, self.metrics_port = free_port(), free_port(), free_port()
        ports = {"PORT": self.port, "GRPC_PORT": self.grpc_port, "METRICS_PORT": self.metrics_port}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ONCO", "COMPOSE_"))}
        own = {f"ONCOSERVE_{name}": str(value) for name, value in (ports | variables).items()}
        self.env = {**inherited, **own, "COMPOSE_ANSI": "never", "BUILDKIT_PROGRESS": "plain"}
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    def __enter__(self) -> Self:
        self.build_log = self.compose("build", timeout_s=LONGEST_BUILD_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.compose("down", "--volumes", "--rmi", "all", "--timeout", "1")

    def compose(self, *arguments: str, files: Sequence[Path] = (), timeout_s: float = 180) -> str:
        """Run `docker compose ...`, return what it printed, and fail when it fails."""
        code, output = self.try_compose(*arguments, files=files, timeout_s=timeout_s)
        assert code == 0, output
        return output

    def try_compose(
        self, *arguments: str, files: Sequence[Path] = (), timeout_s: float = 90, **variables: object
    ) -> tuple[int, str]:
        """Run `docker compose ...`, return its exit code and what it printed; fails when it does not end."""
        named = [f"--file={file}" for file in (PROJECT / self.file, *files)]
        done = subprocess.run(
            ["docker", "compose", f"--project-name={self.project}", *named, *arguments],
            cwd=PROJECT,
            env=self.env | {f"ONCOSERVE_{name}": str(value) for name, value in variables.items()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )
        return done.returncode, done.stdout

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of the container of a service."""
        container = self.compose("ps", "--all", "--quiet", service).strip()
        (found,) = json.loads(subprocess.check_output(["docker", "inspect", container], env=self.env))
        return found

    def execute(self, service: str, *command: str) -> tuple[int, str]:
        """Run a command in the container of a service, return its exit code and what it printed."""
        return self.try_compose("exec", "--no-TTY", service, *command)

    def kill(self, service: str, process: str) -> None:
        """SIGKILL the processes of that name inside the container of a service."""
        code, output = self.execute(service, "python", "-c", KILL, process)
        # 137: the container ended before the answer came.
        assert code in (0, 137), output

    def predict(self, picture: bytes) -> httpx.Response:
        """Upload a picture."""
        return self.client.post("/v1/models/brain_mri/predict", content=picture)
