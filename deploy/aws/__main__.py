"""`python -m deploy.aws COMMAND`: the deployment on AWS. Without --yes each command only says what it would do."""

import argparse
import importlib
import io
import re
import sys
from collections.abc import Sequence
from types import ModuleType

from deploy.aws.commands.account import in_words
from oncoserve.cli.client.client_errors import EXIT_INTERRUPTED, EXIT_UNREACHABLE, EXIT_USAGE, ClientError
from oncoserve.cli.client.printing import say
from oncoserve.errors import PlatformError

COMMANDS = ("deploy", "status", "smoke", "redrive", "teardown")
# Of a stack whose queues and key are named after it: letters, digits and hyphens, and "-workers" fits behind it.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,39}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: without the program's name; those of the process when left out.

    Returns:
        The process's exit code: 0 all fine, 1 it failed or something is not well, 2 to be put right by who called,
        3 AWS or the API cannot be reached, 130 Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    given = _parser().parse_args(arguments)
    try:
        with in_words():
            code: int = _module(given.command).main(given)
    except KeyboardInterrupt:
        say(f"stopped; `status` tells what there is of {given.name}.")
        return EXIT_INTERRUPTED
    except ClientError as error:
        say(str(error))
        return error.exit_code
    except PlatformError as error:
        say(str(error))
        return EXIT_UNREACHABLE
    except OSError as error:  # of this machine's files
        say(str(error))
        return EXIT_USAGE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.aws", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = _module(name)
        command = commands.add_parser(name, help=module.HELP, description=f"{module.HELP.capitalize()}.")
        command.add_argument("--region", help="default: the one of the environment or of the profile, which is said")
        command.add_argument("--name", type=_name, default="oncoserve", help="of the pipeline. Default: oncoserve")
        command.add_argument("--yes", action="store_true", help="do it, and do not only say what would be done")
        module.add_options(command)
    return parser


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"deploy.aws.commands.{name}")


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected letters, digits and hyphens, at most 40, got {text!r}")
    return text


if __name__ == "__main__":
    sys.exit(main())
