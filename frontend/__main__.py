"""`python -m frontend`: serve the application with the settings of the environment."""

import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.request

import uvicorn
from pydantic import ValidationError
from uvicorn.supervisors import Multiprocess

from frontend.http.protocol import LimitedProtocol
from oncoserve.jobs.supervisor import workers
from oncoserve.keys import read_keys
from oncoserve.runtime.sharing import FOLDER_VARIABLE
from oncoserve.settings import PREFIX, Settings

CANNOT_LISTEN, BAD_SETTINGS, CANNOT_START = 1, 2, 3
BACKLOG = 2048
ANYWHERE = {"0.0.0.0": "localhost", "127.0.0.1": "localhost", "::": "localhost"}  # noqa: S104 - compared, not bound


def main() -> int:
    """Start the worker processes and wait for them.

    Returns:
        The process's exit code.
    """
    try:
        settings = Settings.from_environment()
        if settings.api_keys_file is not None:
            read_keys(settings.api_keys_file)  # told here, in words, before any process is started
    except ValidationError as error:
        for each in error.errors():
            where = "".join(f"{PREFIX}{str(name).upper()}={each['input']!r}: " for name in each["loc"])
            print(f"oncoserve: {where}{each['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        return BAD_SETTINGS
    except ValueError as error:
        print(f"oncoserve: {error}", file=sys.stderr)
        return BAD_SETTINGS
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as error:
        where = f"port {settings.port} of {settings.host} ({error.strerror})"
        print(f"oncoserve: cannot listen on {where}; set ONCO_PORT or ONCO_HOST to others.", file=sys.stderr)
        return CANNOT_LISTEN
    with (
        listener,
        tempfile.TemporaryDirectory(prefix="oncoserve-metrics-") as metrics,
        tempfile.TemporaryDirectory(prefix="oncoserve-shared-") as shared,
    ):
        # Read when prometheus_client is first imported, so it has to stand before the application is loaded.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics
        os.environ[FOLDER_VARIABLE] = shared
        threading.Thread(target=_announce, args=[settings.host, settings.port], daemon=True).start()
        with workers(settings.job_workers, settings.shutdown_grace_s):
            return _serve(settings, listener)


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else is started, so that a taken one is told at once and by name."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(True)
    return listener


def _serve(settings: Settings, listener: socket.socket) -> int:
    config = uvicorn.Config(
        "frontend.app:create_from_environment",
        factory=True,
        workers=settings.workers,
        loop="uvloop",
        http=LimitedProtocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=settings.receive_timeout_s,
        limit_concurrency=settings.max_connections,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
    )
    # uvicorn raises the signal again when it has finished; ours ends the process by the normal way, which cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if settings.workers > 1:
        Multiprocess(config, sockets=[listener]).run()
        return 0
    server = uvicorn.Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return 0 if server.started else CANNOT_START


def _announce(host: str, port: int) -> None:
    """Tell the user the address as soon as a prediction would be answered."""
    url = f"http://{ANYWHERE.get(host, host)}:{port}/"
    while True:
        try:
            with urllib.request.urlopen(f"{url}readyz", timeout=10):  # noqa: S310 - our own address
                print(f"Oncoserve is ready: {url}", flush=True)
                return
        except OSError:
            time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
