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

# Each is a module of commands/, and imported when it is called for.
COMMANDS = {
    "deploy": "make both stacks, or bring them up to date",
    "status": "show the stacks, functions, queues, workers and alarms; exit code 1 if something is not well",
    "smoke": "send a picture through the API, follow it to its result, and delete it",
    "redrive": "list a model's dead letters with their reasons, and have tried again what can be",
    "teardown": "delete both stacks and the code bucket; the bucket, table and key of patients' data stay",
}
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
    words = list(sys.argv[1:] if arguments is None else arguments)
    name: str = _parser().parse_args(words[:1]).command
    module = importlib.import_module(f"deploy.aws.commands.{name}")
    given = _options(name, module).parse_args(words[1:])
    try:
        with in_words():
            code: int = module.main(given)
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
    lines = "".join(f"  {name:9} {what}\n" for name, what in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m deploy.aws",
        usage="%(prog)s COMMAND [--region REGION] [--name NAME] [--yes] [option ...]",
        description=__doc__,
        epilog=f"commands:\n{lines}\n`python -m deploy.aws COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, help=argparse.SUPPRESS)
    return parser


def _options(name: str, module: ModuleType) -> argparse.ArgumentParser:
    what = COMMANDS[name]
    parser = argparse.ArgumentParser(prog=f"python -m deploy.aws {name}", description=f"{what[0].upper()}{what[1:]}.")
    parser.add_argument("--region", help="default: the one of the environment or of the profile, which is said")
    parser.add_argument("--name", type=_name, default="oncoserve", help="of the pipeline. Default: %(default)s")
    if name != "status":
        parser.add_argument("--yes", action="store_true", help="do it, and do not only say what would be done")
    module.add_options(parser)
    return parser


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected letters, digits and hyphens, at most 40, got {text!r}")
    return text


if __name__ == "__main__":
    sys.exit(main())
