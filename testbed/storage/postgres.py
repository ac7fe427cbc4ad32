"""A real PostgreSQL of Debian's, in a folder of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final

import pg8000.dbapi
import psutil

from testbed.servers import Server, free_port

USER, PASSWORD = "oncoserve", "a secret of this test"
PACKAGES: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
UNPRIVILEGED: Final = "postgres"
"""Debian's user of the server, which refuses to run as root."""


class Postgres(Server):
    """A PostgreSQL on a free port of 127.0.0.1; killed and started again it has what it had.

    Args:
        folder: gets its data and its log; whoever runs the server has to be let in.
        settings: of postgresql.conf, beside those that it needs here.

    Attributes:
        password_file: for ONCO_POSTGRES_PASSWORD_FILE.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port, self.data = free_port(), folder / "pgdata"
        self.password_file = folder / "postgres_password"
        self.password_file.write_text(f"{PASSWORD}\n")
        if not self.data.exists():
            self._init()
        given = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "", **settings}
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        argv = [*_unprivileged(), program("postgres"), "-D", str(self.data), *options]
        super().__init__(argv, "", {}, folder / "postgres.log", cwd=folder)

    def _init(self) -> None:
        self.data.mkdir()
        if _unprivileged():
            shutil.chown(self.data, UNPRIVILEGED)
            for parent in self.data.parents:  # those of a temporary folder are for its user alone
                if parent.owner() == "root" and parent != Path(parent.anchor):
                    parent.chmod(parent.stat().st_mode | 0o011)
        self.password_file.chmod(0o644)  # initdb reads it
        command = [program("initdb"), "-D", str(self.data), "-U", USER, "-A", "scram-sha-256", "-E", "UTF8"]
        done = subprocess.run(  # noqa: S603 - Debian's
            [*_unprivileged(), *command, f"--pwfile={self.password_file}", "--no-sync"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr  # noqa: S101 - of a test

    def is_ready(self) -> bool:
        """Ask once."""
        with contextlib.suppress(pg8000.dbapi.Error, OSError):
            self.connect("postgres").close()
            return True
        return False

    def url_of(self, database: str) -> str:
        """For ONCO_POSTGRES_URL."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> None:
        """Make a database."""
        with contextlib.closing(self.connect("postgres")) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {database}")

    def connect(self, database: str) -> pg8000.dbapi.Connection:
        """A connection of the owner of everything."""
        return pg8000.dbapi.connect(
            USER, host="127.0.0.1", port=self.port, database=database, password=PASSWORD, timeout=60
        )

    def stop(self, signum: int = signal.SIGINT, timeout_s: float = 120) -> int:
        """See `Server`: SIGINT ends it without waiting for its clients."""
        return super().stop(signum, timeout_s)

    def kill(self) -> None:
        """See `Server`: the postmaster alone; it cannot be started again before its children have noticed."""
        children = self.family()
        super().kill()
        psutil.wait_procs(children, timeout=60)

    @staticmethod
    def missing() -> str:
        """What is not installed; empty if nothing is."""
        return "" if PACKAGES else "postgresql"


def program(name: str) -> str:
    """The path of one of Debian's programs for the server; its name where they are not installed."""
    return str(PACKAGES[-1].with_name(name)) if PACKAGES else name


def _unprivileged() -> list[str]:
    """What becomes the server without root's rights, where we have them."""
    if os.getuid() != 0:
        return []
    return ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--init-groups", "--"]
