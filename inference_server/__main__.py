"""Runs the embedded Triton: `python -m inference_server [-- COMMAND ...]`."""

import argparse
import sys

from inference_server.launch_errors import LaunchError, SettingsError
from inference_server.launcher import launch
from inference_server.triton_log import dropped_lines
from inference_server.triton_settings import PREFIX, TritonSettings
from supervision.output import unblock_standard_outputs


def say(text: str) -> None:
    """Tell the user on stderr, soon: nobody has to read there. stdout belongs to the command."""
    print(text, file=sys.stderr)


def main() -> int:
    """Return the exit code: of what ended for good, 0 after Ctrl-C, 1 if Triton cannot start, 2 for a bad setting."""
    variables = ", ".join(PREFIX + name.upper() for name in TritonSettings.model_fields)
    parser = argparse.ArgumentParser(
        prog="python -m inference_server",
        description="Start Triton and, once every model is ready, COMMAND; bring back what dies or hangs.",
        epilog=f"Settings are environment variables: {variables}.",
    )
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="program and arguments, after --")
    command = parser.parse_args().command
    unblock_standard_outputs(dropped_lines)
    try:
        return launch(TritonSettings.from_environment(), command, say)
    except LaunchError as error:
        say(str(error))
        return 2 if isinstance(error, SettingsError) else 1


sys.exit(main())
