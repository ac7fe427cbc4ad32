"""`oncoserve COMMAND ...`: finds the command, and ends it in words whatever happens."""

import argparse
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from oncoserve import NOTICE, __version__
from oncoserve.cli.client.client_errors import EXIT_INTERRUPTED, EXIT_USAGE, ClientError
from oncoserve.cli.client.printing import say
from oncoserve.cli.installed import missing_packages

# Each is a module here with a function `main(arguments) -> exit code`. Nothing of it is imported before it is called
# for: where only the client's packages are installed there is no worker, and where those of a worker are no client.
COMMANDS = {
    "run": "start the service on this machine: Triton, the page and the API, a worker for jobs",
    "predict": "ask a model about pictures, or about a whole folder of them",
    "jobs": "list your jobs at a service, look at one, take one back",
    "models": "list the models of a service, or export those of this machine",
    "pacs": "carry images from a PACS to a service, and what comes out back into it",
    "keys": "make an API key for your service",
    "storage": "copy results and jobs from where a service keeps them to where another will, models from a bucket",
    "worker": "work on the jobs of a service that runs elsewhere, until stopped",
}
OWN = {"frontend", "inference_server", "model_export", "oncoserve"}  # a module that is missing there is our fault
EXIT_CLOSED_PIPE = 141  # what a shell gives for a command that wrote to a pipe that nobody reads any more


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: without the program's name; those of the process when left out.

    Returns:
        The process's exit code: 0 all fine, 1 some pictures failed, 2 to be put right by who called, 3 the service
        cannot be reached, 130 Ctrl-C, 141 nobody reads the output; `run` and `worker` have those of what they start.
    """
    try:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a file's name may have characters that the terminal has not
                stream.reconfigure(errors="backslashreplace")
        code = _call(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _leave("stopped.", EXIT_INTERRUPTED)
    except BrokenPipeError:
        _leave(None, EXIT_CLOSED_PIPE)
    except ClientError as error:
        if error.exit_code == EXIT_INTERRUPTED:
            _leave(str(error), EXIT_INTERRUPTED)
        say(str(error))
        return error.exit_code
    except OSError as error:  # of this machine's files; those of the network are all turned into a ClientError
        say(str(error))
        return EXIT_USAGE
    return code


def _call(arguments: Sequence[str]) -> int:
    parser = _parser()
    name: str | None = parser.parse_args(arguments[:1]).command  # what follows is the command's own
    if name is None:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    try:
        command = importlib.import_module(f"oncoserve.cli.{name}_command")
        code: int = command.main(arguments[1:])
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in OWN:
            raise
        raise missing_packages(name, [package]) from error
    return code


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog="oncoserve",
        usage="oncoserve [--version] [--help] COMMAND ...",
        description=f"Oncology imaging models, served and asked. {NOTICE}",
        epilog="commands:\n"
        + "".join(f"  {name:{width}}  {what}\n" for name, what in COMMANDS.items())
        + "\n`oncoserve COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"oncoserve {__version__}")
    parser.add_argument("command", nargs="?", choices=COMMANDS, help=argparse.SUPPRESS)
    return parser


def _leave(words: str | None, code: int) -> NoReturn:
    """End the process now: no second Ctrl-C, no thread that still waits for an answer, no full pipe holds it up.

    Every command writes its files whole or not at all, so that nothing has to be tidied.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if words is not None:
        say(words)
    os._exit(code)
