"""Starts Triton, waits until it is ready, runs a command beside it, and ends both together."""

import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Sequence

from inference_server import diagnosis, runtime
from inference_server.launch_errors import LaunchError
from inference_server.processes import Child, StopRequestedError, block_signals, wait_for_event
from inference_server.triton_settings import PREFIX, TritonSettings

_POLL_S = 0.1


def launch(settings: TritonSettings, command: Sequence[str], say: Callable[[str], None]) -> int:
    """Run Triton, and `command` as soon as it is ready, until one of them ends or a signal asks for the end.

    Args:
        settings: Where and what to serve.
        command: A program and its arguments; empty means Triton alone.
        say: Tells the user something, one line or more.

    Returns:
        The exit code of what ended first; 0 after Ctrl-C or SIGTERM.

    Raises:
        LaunchError: Triton cannot be started or does not become ready.
    """
    block_signals()
    check_repository(settings)
    check_ports(settings)
    runtime.remove_stale_shared_memory()
    children: list[Child] = []
    try:
        triton = _start_triton(settings)
        say(f"Triton loads and warms up the models of {settings.model_repository} ...")
        children.append(triton)
        if _wait_until_ready(settings, triton, say) and command:
            children.append(_start_command(settings, command))
        while (code := _first_exit_code(children)) is None:
            wait_for_event(timeout_s=60)
        if triton.exit_code is not None:
            say(_obituary(settings, triton.exit_code))
    except StopRequestedError:
        say("Stopping ...")
        return 0
    else:
        return code
    finally:
        # The command first: it still waits for answers from Triton.
        for child in reversed(children):
            child.stop(settings.stop_grace_s)
        runtime.remove_own_shared_memory()


def check_repository(settings: TritonSettings) -> None:
    """Refuse a model repository that is not there, or that Triton could not serve from.

    Raises:
        LaunchError: It is not a folder, or there is a space in a path.
    """
    for path in (settings.model_repository.resolve(), settings.home):
        if " " in str(path):  # Triton starts its Python backend by an unquoted command line; it would hang
            raise LaunchError(f"Triton cannot work in a path with a space: {path}.")
    if not settings.model_repository.is_dir():
        raise LaunchError(
            f"There is no model repository {settings.model_repository.resolve()}. "
            f"Start from the project's folder, or set {PREFIX}MODEL_REPOSITORY."
        )


def check_ports(settings: TritonSettings) -> None:
    """Refuse a port in use at once: Triton itself notices only after every model has been loaded.

    Raises:
        LaunchError: A port is in use, or the address is not this machine's.
    """
    for name in ("grpc_port", "http_port", "metrics_port"):
        port = getattr(settings, name)
        variable = PREFIX + name.upper()
        try:
            family, kind, _, _, address = socket.getaddrinfo(settings.host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen(1)
        except OSError as error:
            raise LaunchError(
                f"Triton cannot listen on port {port} of {settings.host} ({error.strerror}). "
                f"Stop what uses it, or set {variable} to another port."
            ) from error


def _start_triton(settings: TritonSettings) -> Child:
    triton = runtime.locate()
    env = runtime.environment(settings)
    try:
        backends = runtime.assemble_backends(triton, settings.home)
        with settings.log_path.open("wb") as log:
            return Child(runtime.command_line(settings, triton, backends), env, settings.home, log)
    except OSError as error:
        raise LaunchError(f"Cannot prepare Triton in {settings.home} ({PREFIX}WORK_DIRECTORY): {error}") from error


def _start_command(settings: TritonSettings, command: Sequence[str]) -> Child:
    """Start the command, and tell it Triton's address unless the environment names another one."""
    env = {"ONCO_INFERENCE_URL": f"{settings.local_host}:{settings.grpc_port}", **os.environ}
    try:
        return Child(command, env)
    except OSError as error:
        raise LaunchError(f"Cannot start {command[0]}: {error.strerror}") from error


def _wait_until_ready(settings: TritonSettings, triton: Child, say: Callable[[str], None]) -> bool:
    """Return True as soon as every model is ready, False if Triton ended before.

    Raises:
        LaunchError: Not ready in time.
        StopRequestedError: A stop signal came.
    """
    started = time.monotonic()
    while triton.exit_code is None:
        elapsed_s = time.monotonic() - started
        if version := _ready_version(settings):
            say(
                f"Triton {version} is ready: gRPC {settings.host}:{settings.grpc_port}, "
                f"HTTP {settings.host}:{settings.http_port} ({elapsed_s:.1f} s)"
            )
            return True
        if elapsed_s > settings.startup_timeout_s:
            lines = "\n".join(diagnosis.last_lines(settings.log_path))
            raise LaunchError(
                f"Triton is not ready after {elapsed_s:.0f} s ({PREFIX}STARTUP_TIMEOUT_S). It last said:\n{lines}"
            )
        wait_for_event(_POLL_S)
    return False


def _ready_version(settings: TritonSettings) -> str | None:
    """Return Triton's version when it and all its models are ready, else None.

    A server that may serve without some of its models may never be ready as a whole. It listens when all have been
    tried.
    """
    state = "ready" if settings.exit_on_error else "live"
    connection = http.client.HTTPConnection(settings.local_host, settings.http_port, timeout=2)
    try:
        connection.request("GET", f"/v2/health/{state}")
        response = connection.getresponse()
        response.read()
        if response.status != http.HTTPStatus.OK:
            return None
        connection.request("GET", "/v2")
        return str(json.load(connection.getresponse())["version"])
    except OSError:
        return None
    finally:
        connection.close()


def _first_exit_code(children: Sequence[Child]) -> int | None:
    return next((child.exit_code for child in children if child.exit_code is not None), None)


def _obituary(settings: TritonSettings, exit_code: int) -> str:
    """Say how Triton ended, what it last said and what that means."""
    lines = diagnosis.last_lines(settings.log_path)
    meaning = diagnosis.explain(lines)
    parts = [f"Triton ended with exit code {exit_code}. The end of its log ({settings.log_path}):", *lines]
    return "\n".join([*parts, meaning] if meaning else parts)
