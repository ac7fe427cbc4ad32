"""`oncoserve run`: the service on this machine, all of it, from a checkout or from an installed wheel."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from oncoserve import NOTICE
from oncoserve.cli.client.client_errors import EXIT_FINE, UsageError
from oncoserve.cli.home_folder import CHECKOUT, Home, find_home
from oncoserve.cli.installed import RUN, require
from supervision.stop_signals import block_stop_signals


def main(arguments: Sequence[str]) -> int:
    """Make the models ready, then become the launcher.

    Returns:
        The exit code of the export, where that fails; otherwise this process is the launcher from there on.

    Raises:
        ClientError: the service cannot run here.
    """
    given = _parser().parse_args(arguments)
    home = find_home(given.data, os.environ)
    _check_machine(home)
    code = _make_ready(home)
    return code or _become_launcher(home)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="oncoserve run",
        description=f"Start Triton and, once every model is ready, the frontend; Ctrl-C stops both. {NOTICE}",
        epilog="Settings are environment variables, such as ONCO_PORT: docs/settings.md.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="for models, results and work; default: the project's folder, outside of one ~/.local/share/oncoserve",
    )
    return parser


def _check_machine(home: Home) -> None:
    """Find out before anything is fetched whether the service can run here.

    Raises:
        UsageError: it cannot.
    """
    repository = home.repository(os.environ)
    if " " in f"{home.path}{repository}":
        raise UsageError(f"Triton cannot work in a path with a space, such as {home.path}; name another with --data.")
    require("run", RUN)
    from inference_server import launch_errors, runtime  # noqa: PLC0415 - their packages have just been looked for

    try:
        runtime.find_stub(runtime.locate())
        runtime.find_libpython()
    except launch_errors.LaunchError as error:
        raise UsageError(str(error)) from error


def _make_ready(home: Home) -> int:
    if not home.exports:
        return EXIT_FINE
    from oncoserve.cli.exporting import export  # noqa: PLC0415 - after it is known that its packages are there

    return export(home)


def _become_launcher(home: Home) -> NoReturn:
    """Replace this process, so that signals and exit codes are the launcher's own."""
    environ = home.environment(os.environ)
    if CHECKOUT is not None:
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(CHECKOUT), environ.get("PYTHONPATH"))))
    # A folder named `frontend` where the user happens to be is not ours.
    environ["PYTHONSAFEPATH"] = "1"
    sys.stdout.flush()
    sys.stderr.flush()
    block_stop_signals()  # one that comes while the launcher is being loaded waits for it
    argv = [sys.executable, "-m", "inference_server", "--", sys.executable, "-m", "frontend"]
    os.execve(sys.executable, argv, environ)  # noqa: S606 - our own launcher
