"""`oncoserve worker`: works on jobs with the settings of the environment, until SIGTERM or Ctrl-C."""

import argparse
from collections.abc import Sequence

from frontend.parent import keep_running
from oncoserve.cli.client.client_errors import UsageError
from oncoserve.runtime.logs import dropped_lines
from oncoserve.settings import Settings
from supervision.output import unblock_standard_outputs


def main(arguments: Sequence[str]) -> int:
    """Keep one worker running.

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
    parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        raise UsageError(str(error)) from error
    unblock_standard_outputs(dropped_lines)
    return keep_running(settings)
