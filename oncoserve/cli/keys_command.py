"""`oncoserve keys new NAME`: make an API key, print it once, and add its hash to the key file."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from oncoserve.cli.client.client_errors import EXIT_FINE, UsageError
from oncoserve.cli.client.printing import say
from oncoserve.keys import NAME, KeyFileError, new_key, read_keys

VARIABLE = "ONCO_API_KEYS_FILE"
EXIT_NOTHING_DONE = 1
HIGHEST_PER_MIN = 1_000_000  # as ONCO_RATE_LIMIT_PER_MIN


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        The process's exit code: 0 a key was made, 1 none, 2 to be put right by who called.

    Raises:
        UsageError: nobody said which file.
    """
    given = _parser().parse_args(arguments)
    path: Path | None = given.file
    if path is None:
        raise UsageError(f"Say which file: --file, or {VARIABLE}.")
    try:
        return _add(path, given.name, given.per_min, replace=given.replace)
    except (KeyFileError, OSError) as error:
        say(str(error))
        return EXIT_NOTHING_DONE


def _add(path: Path, name: str, per_min: int | None, *, replace: bool) -> int:
    known = {key.name for key in read_keys(path)} if path.exists() else set()
    if name in known and not replace:
        say(f"{name!r} has a key; --replace lets both in for a while.")
        return EXIT_NOTHING_DONE
    secret, key = new_key(name, per_min)
    with path.open("a+") as file:
        file.seek(0)
        before = file.read()
        file.write("\n" * (before != "" and not before.endswith("\n")) + f"{key}\n")
    print(secret)
    say(f"this is the key of {name!r}; it is shown this once. {path} has its hash.")
    return EXIT_FINE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="oncoserve keys", description="API keys for your service: docs/security.md.")
    new = parser.add_subparsers(required=True, metavar="new").add_parser(
        "new", help="make a key, print it once, and add its hash to the key file"
    )
    new.add_argument("name", type=_name, help="whom it is for: small letters, digits, - and _")
    new.add_argument("--file", type=Path, default=os.environ.get(VARIABLE) or None, help=f"default: {VARIABLE}")
    new.add_argument("--per-min", type=_rate, help="requests per minute, 0 without limit; default: the service's own")
    new.add_argument("--replace", action="store_true", help="the name may have a key already")
    return parser


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected {NAME.pattern}, got {text!r}")
    return text


def _rate(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > HIGHEST_PER_MIN:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to {HIGHEST_PER_MIN}, got {text!r}")
    return int(text)
