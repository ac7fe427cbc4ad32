"""Runs the embedded Triton: `python -m inference_server [-- COMMAND ...]`."""

import argparse
import sys

from inference_server.launch_errors import LaunchError, SettingsError
from inference_server.launcher import launch
from inference_server.triton_settings import PREFIX, TritonSettings


def say(text: str) -> None:
    """Tell the user on stderr, at once; stdout belongs to the command."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Return the exit code: that of what ended first, 0 after Ctrl-C, 1 if Triton cannot start, 2 for a bad setting."""
    variables = ", ".join(PREFIX + name.upper() for name in TritonSettings.model_fields)
    parser = argparse.ArgumentParser(
        prog="python -m inference_server",
        description="Start Triton and, once every model is ready, COMMAND; when one ends, the other is stopped.",
        epilog=f"Settings are environment variables: {variables}.",
    )
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="program and arguments, after --")
    command = parser.parse_args().command
    try:
        return launch(TritonSettings.from_environment(), command, say)
    except LaunchError as error:
        say(str(error))
        return 2 if isinstance(error, SettingsError) else 1


sys.exit(main())
