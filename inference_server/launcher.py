"""Starts Triton, runs a command beside it once it is ready, and keeps both running until it is told to stop."""

import asyncio
import os
import shutil
import socket
import time
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, generate_latest

from inference_server import diagnosis, runtime
from inference_server.devices import choice
from inference_server.devices.device_metrics import DeviceMetrics, watch_gpus
from inference_server.launch_errors import LaunchError
from inference_server.restarts import COMMAND, TRITON, Restarts
from inference_server.status_server import StatusServer
from inference_server.triton_keeper import MOST_VAIN_STARTS, TritonKeeper
from inference_server.triton_settings import PREFIX, TritonSettings
from supervision.child import Child
from supervision.heartbeat import Heartbeat
from supervision.keeper import Keeper, Loss, Patience
from supervision.stop_signals import block_stop_signals, stop_requested

FIRST_EXIT_S = 60.0  # so long an exit of the command's own accord says that it cannot start
OWN_CODES = range(129)  # those above are a shell's for signals
FOR_EVER = 2**62


def launch(settings: TritonSettings, command: Sequence[str], say: Callable[[str], None]) -> int:
    """Run Triton, and `command` as soon as it is ready, and bring back what is lost, until a signal asks for the end.

    Args:
        settings: Where and what to serve.
        command: A program and its arguments; empty means Triton alone.
        say: Tells the user something, one line or more; must not block.

    Returns:
        The exit code of what ended for good; 0 after Ctrl-C or SIGTERM.

    Raises:
        LaunchError: Triton cannot be started or does not become ready, or the GPU that was asked for does not work.
    """
    block_stop_signals()
    check_repository(settings)
    check_ports(settings)
    if command and shutil.which(command[0]) is None:
        raise LaunchError(f"Cannot start {command[0]}: there is no such command.")
    runtime.remove_stale_shared_memory()
    try:
        return asyncio.run(_keep(settings, command, say))
    finally:
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
    for name, port in settings.ports.items():
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


async def _keep(settings: TritonSettings, command: Sequence[str], say: Callable[[str], None]) -> int:
    stop = stop_requested()
    chosen = await _settled(settings, stop, say)
    if chosen is None:
        say("Stopping ...")
        return 0
    settings = chosen
    registry = CollectorRegistry()
    restarts = Restarts(say, registry)
    restarts.expect([TRITON, COMMAND] if command else [TRITON])
    triton = TritonKeeper(settings, restarts, DeviceMetrics(registry, settings).heard, say)
    triton.check()
    watch_gpus(registry, settings, say)
    status = StatusServer(lambda: triton.is_live, triton.problems, lambda: generate_latest(registry))
    stopped = asyncio.create_task(stop.wait())
    keepers: list[TritonKeeper | Keeper] = [triton]
    async with status.listening(settings.host, settings.status_port):
        runs = [asyncio.create_task(triton.run())]
        try:
            say(f"Triton loads and warms up the models of {settings.model_repository} ...")
            if await _becomes_ready(settings, triton, {*runs, stopped}):
                say(_greeting(settings, triton))
                if command:
                    keepers.append(_command_keeper(settings, command, restarts))
                    runs.append(asyncio.create_task(keepers[-1].run()))
                await asyncio.wait({*runs, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                say("Stopping ...")
                return 0
            if runs[0].done():
                say(_obituary(settings, runs[0].result()))
            return next(run.result() for run in runs if run.done())
        finally:
            stopped.cancel()
            # The command first: it still waits for answers from Triton.
            for keeper in keepers:
                keeper.retire()
            for keeper in reversed(keepers):
                await keeper.stop(settings.stop_grace_s)
            await asyncio.gather(*runs)


async def _settled(settings: TritonSettings, stop: asyncio.Event, say: Callable[[str], None]) -> TritonSettings | None:
    """Return the settings with the device decided, None if the end was asked for before.

    Raises:
        LaunchError: A GPU was asked for, and does not work.
    """
    choosing, stopped = asyncio.create_task(choice.choose(settings, say)), asyncio.create_task(stop.wait())
    await asyncio.wait({choosing, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if choosing.done():
        return choosing.result()
    choosing.cancel()
    await asyncio.wait({choosing})
    return None


async def _becomes_ready(settings: TritonSettings, triton: TritonKeeper, ends: set[asyncio.Task[object]]) -> bool:
    """Return True as soon as every model is ready, False if something ended before.

    Raises:
        LaunchError: Not ready in time.
    """
    started = time.monotonic()
    ready = asyncio.create_task(triton.served.wait())
    done, _ = await asyncio.wait(
        {ready, *ends}, timeout=settings.startup_timeout_s, return_when=asyncio.FIRST_COMPLETED
    )
    ready.cancel()
    if not done:
        lines = "\n".join(diagnosis.last_lines(settings.log_path))
        raise LaunchError(
            f"Triton is not ready after {time.monotonic() - started:.0f} s ({PREFIX}STARTUP_TIMEOUT_S). "
            f"It last said:\n{lines}"
        )
    return not done & ends


def _command_keeper(settings: TritonSettings, command: Sequence[str], restarts: Restarts) -> Keeper:
    """Keeps the command; one that gives signs of life (supervision/heartbeat.py) is watched for them too."""
    heartbeat = Heartbeat.create()
    # It learns Triton's address, unless the environment names another one.
    env = {"ONCO_INFERENCE_URL": settings.address, **os.environ, **heartbeat.environment}
    lost: list[Loss] = []

    def start() -> Child:
        return Child(command, env, pass_fds=[heartbeat.descriptor])

    def report(loss: Loss) -> None:
        lost.append(loss)
        restarts.report(loss)

    def is_final(code: int, ran_s: float) -> bool:
        """A command that ended of its own accord is done; a service that does so later than at its start is not."""
        at_start = not lost and ran_s < FIRST_EXIT_S
        return code == 0 or (code in OWN_CODES and (heartbeat.count == 0 or at_start))

    patience = Patience(first_looks=FOR_EVER, most_vain_starts=MOST_VAIN_STARTS)
    return Keeper(COMMAND, start, report, heartbeat, is_final, patience)


def _greeting(settings: TritonSettings, triton: TritonKeeper) -> str:
    names = {"grpc_port": "gRPC", "http_port": "HTTP", "status_port": "status"}
    ports = [f"{name} {settings.host}:{settings.ports[port]}" for port, name in names.items() if port in settings.ports]
    return f"Triton {triton.version} is ready: {', '.join(ports)} ({triton.took_s:.1f} s)"


def _obituary(settings: TritonSettings, exit_code: int) -> str:
    """Say how Triton ended, what it last said and what that means."""
    lines = diagnosis.last_lines(settings.log_path)
    meaning = diagnosis.explain(lines)
    parts = [f"Triton ended with exit code {exit_code}. The end of its log ({settings.log_path}):", *lines]
    return "\n".join([*parts, meaning] if meaning else parts)
