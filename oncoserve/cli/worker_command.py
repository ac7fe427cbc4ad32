"""`oncoserve worker`: works on jobs with the settings of the environment, until SIGTERM or Ctrl-C."""

import argparse
from collections.abc import Sequence

from frontend.http.links import shown
from oncoserve.cli.client.client_errors import EXIT_FINE, UsageError
from oncoserve.settings import Settings
from oncoserve.worker_process import run


def main(arguments: Sequence[str]) -> int:
    """Run the worker.

    Returns:
        The process's exit code.

    Raises:
        UsageError: a setting is not known or out of bounds.
    """
    parser = argparse.ArgumentParser(
        prog="oncoserve worker",
        description="Work on jobs until SIGTERM; `oncoserve run` has a worker of its own.",
        epilog="Settings are environment variables, as those of the frontend: docs/settings.md.",
    )
    parser.add_argument("--parent", type=int, metavar="PID", help="end when this process, which started it, has gone")
    given = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        raise UsageError(str(error)) from error
    run(settings, shown, given.parent)
    return EXIT_FINE
