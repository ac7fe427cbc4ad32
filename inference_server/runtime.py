"""Finds the tritonserver inside the nvidia-pytriton wheel and makes it runnable for this Python.

Only files of the wheel are used; its Python package is never imported. What is assembled here, and why, was found
by running Triton 2.51.0: the Python backend's library must lie inside the backend directory (a link is refused), its
stub must be a link (a copy loses the path to the libraries that it was built with).
"""

import ctypes
import importlib.util
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from inference_server.devices import choice
from inference_server.launch_errors import LaunchError
from inference_server.triton_control import GUARD, GUARDED
from inference_server.triton_settings import PREFIX, TritonSettings

BACKENDS = Path(__file__).parent / "backends"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory lives on Linux, not a temporary file
SHARED_MEMORY_PREFIX = "oncoserve_triton_"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def locate() -> Path:
    """Return the folder of the wheel that holds bin/, backends/ and python_backend_stubs/.

    Raises:
        LaunchError: Wrong platform, or the wheel is not installed.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise LaunchError(
            f"The embedded Triton runs on Linux x86_64 only, this is {platform.system()} {platform.machine()}. "
            "Use Docker instead: docker compose up"
        )
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise LaunchError(
            "The package nvidia-pytriton, which contains tritonserver, is not installed. Run `make run`, "
            "or see docs/command_line.md."
        )
    return Path(spec.submodule_search_locations[0]) / "tritonserver"


def find_stub(triton: Path, python: str = PYTHON) -> Path:
    """Return the Python backend's stub, the process that runs a model, for a Python version such as "3.11".

    Raises:
        LaunchError: The wheel has no stub for this version.
    """
    stubs = triton / "python_backend_stubs"
    stub = stubs / python / "triton_python_backend_stub"
    if not stub.is_file():
        found = sorted((folder.name for folder in stubs.iterdir()), key=lambda name: [int(n) for n in name.split(".")])
        raise LaunchError(f"The embedded Triton supports Python {', '.join(found)}, this is {python}.")
    return stub


def find_libpython() -> Path | None:
    """Return the folder of the shared libpython that the stub is linked with, None where the loader finds it itself.

    Raises:
        LaunchError: This Python came without its shared library.
    """
    name = f"libpython{PYTHON}.so.1.0"
    for folder in (sysconfig.get_config_var("LIBDIR"), f"{sys.base_prefix}/lib"):
        if folder and Path(folder, name).is_file():
            return Path(folder)
    try:
        ctypes.CDLL(name)
    except OSError as error:
        raise LaunchError(
            f"Triton's Python backend needs {name}, which {sys.base_prefix} does not have. Install it (Debian, Ubuntu: "
            f"apt-get install libpython{PYTHON}) or use a Python that was built with --enable-shared."
        ) from error
    return None


def assemble_backends(triton: Path, home: Path) -> Path:
    """Build Triton's backend directory in `home` anew and return it."""
    directory = home / "backends"
    shutil.rmtree(directory, ignore_errors=True)
    python = directory / "python"
    python.mkdir(parents=True)
    for file in ("libtriton_python.so", "triton_python_backend_utils.py"):
        shutil.copy(triton / "backends/python" / file, python)
    stub = find_stub(triton)
    (python / stub.name).symlink_to(stub)
    for backend in BACKENDS.iterdir():
        if (backend / "model.py").is_file():
            shutil.copytree(backend, directory / backend.name, ignore=shutil.ignore_patterns("__*"))
    return directory


def command_line(
    settings: TritonSettings,
    triton: Path,
    backends: Path,
    models: Path,
    load: Sequence[str],
    secret: str,
    *,
    all_or_nothing: bool,
) -> list[str]:
    """Return the command that starts Triton.

    Args:
        settings: Where and what to serve.
        triton: The folder of the wheel.
        backends: What `assemble_backends` made.
        models: The repository to serve.
        load: Which models of it, "*" for all.
        secret: Opens the protocols that are closed to everybody else.
        all_or_nothing: Whether it ends when a model cannot be loaded.
    """
    options: dict[str, object] = {
        "model-repository": models,
        "backend-directory": backends,
        "backend-config": f"python,shm-region-prefix-name={shared_memory_prefix(os.getpid())}",
        # The only mode in which one model can be loaded again without touching the others.
        "model-control-mode": "explicit",
        "exit-on-error": all_or_nothing,
        # Otherwise one model that fails to load keeps the whole server "not ready" for ever.
        "strict-readiness": all_or_nothing,
        # Triton gives up before the launcher gives up on Triton, so that Triton still cleans up.
        "exit-timeout-secs": max(1, int(settings.stop_grace_s) - 3),
        **_doors(settings, secret),
        **_log_options(settings),
    }
    if settings.model_config_name:
        options["model-config-name"] = settings.model_config_name
    return [
        str(triton / "bin/tritonserver"),
        # The configurations are complete; guessing would start every model's process twice.
        "--disable-auto-complete-config",
        *(f"--{name}={_spell(value)}" for name, value in options.items()),
        *(f"--load-model={name}" for name in load),
        *(f"--trace-config={setting}" for setting in _trace_settings(settings.otlp_endpoint)),
    ]


def _log_options(settings: TritonSettings) -> dict[str, object]:
    levels = ("error", "warning", "info", "verbose")
    told = {f"log-{level}": levels.index(level) <= levels.index(settings.log_level) for level in levels[:-1]}
    return {**told, "log-verbose": int(settings.log_level == "verbose")}


def _doors(settings: TritonSettings, secret: str) -> dict[str, object]:
    """Who is let in where."""
    doors: dict[str, object] = {
        "grpc-address": settings.host,
        "grpc-port": settings.grpc_port,
        "grpc-restricted-protocol": f"{GUARDED}:{GUARD}={secret}",
        # Of other clouds, one of which an environment variable would open.
        "allow-sagemaker": False,
        "allow-vertex-ai": False,
        "metrics-address": settings.host,
        "metrics-port": settings.metrics_port,
        "allow-http": bool(settings.http_port),
    }
    if settings.http_port:
        doors |= {
            "http-address": settings.host,
            "http-port": settings.http_port,
            "http-restricted-api": f"{GUARDED}:{GUARD}={secret}",
        }
    return doors


def _trace_settings(endpoint: str) -> list[str]:
    """Tell Triton to trace only requests that bring a traceparent (rate 0)."""
    if not endpoint:
        return []
    url = f"{endpoint.rstrip('/')}/v1/traces"
    return ["mode=opentelemetry", f"opentelemetry,url={url}", "level=TIMESTAMPS", "rate=0"]


def _spell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def environment(settings: TritonSettings, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment in which the stub finds this Python, its packages and its library.

    The stub takes its packages from the `python3` that is first on PATH, whatever PYTHONPATH says.
    """
    folders = {"PATH": Path(sys.executable).parent, "LD_LIBRARY_PATH": find_libpython()}
    changes = {
        name: os.pathsep.join(filter(None, (str(folder), environ.get(name, ""))))
        for name, folder in folders.items()
        if folder is not None
    }
    if collector := urlsplit(settings.otlp_endpoint).hostname:  # Triton asks it by libcurl, which follows http_proxy
        excepted = environ.get("no_proxy") or environ.get("NO_PROXY", "")
        changes["no_proxy"] = ",".join(filter(None, (excepted, collector)))
    if settings.device == "gpu":
        changes |= choice.visible(settings)
    # ONNX Runtime 1.29 and later report to Microsoft unless told not to.
    return {"ORT_DISABLE_TELEMETRY": "1", **environ, **changes, f"{PREFIX}THREADS": str(settings.threads)}


def shared_memory_prefix(pid: int) -> str:
    """Return the prefix of the shared memory names of the launcher `pid`."""
    return f"{SHARED_MEMORY_PREFIX}{pid}_"


def remove_stale_shared_memory() -> None:
    """Remove the shared memory of servers that were killed together with their launchers."""
    for region in SHARED_MEMORY.glob(f"{SHARED_MEMORY_PREFIX}*"):
        pid = region.name.removeprefix(SHARED_MEMORY_PREFIX).partition("_")[0]
        if not Path("/proc", pid).exists():
            region.unlink(missing_ok=True)


def remove_own_shared_memory() -> None:
    """Remove what a Triton that was killed left behind; one that ended by itself leaves nothing."""
    for region in SHARED_MEMORY.glob(f"{shared_memory_prefix(os.getpid())}*"):
        region.unlink(missing_ok=True)
