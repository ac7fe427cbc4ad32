"""`python -m oncoserve.keys new NAME`: make an API key, print it once, and add its hash to the key file."""

import argparse
import os
import sys
from pathlib import Path

from oncoserve.keys import NAME, KeyFileError, new_key, read_keys

VARIABLE = "ONCO_API_KEYS_FILE"


def main() -> int:
    """Run the command.

    Returns:
        The process's exit code.
    """
    arguments = _parser().parse_args()
    path: Path | None = arguments.file
    if path is None:
        print(f"oncoserve: say which file: --file, or {VARIABLE}", file=sys.stderr)
        return 2
    try:
        known = {key.name for key in read_keys(path)} if path.exists() else set()
        if arguments.name in known and not arguments.replace:
            print(f"oncoserve: {arguments.name!r} has a key; --replace lets both in for a while", file=sys.stderr)
            return 1
        secret, key = new_key(arguments.name, arguments.per_min)
        with path.open("a+") as file:
            file.seek(0)
            before = file.read()
            file.write("\n" * (before != "" and not before.endswith("\n")) + f"{key}\n")
    except (KeyFileError, OSError) as error:
        print(f"oncoserve: {error}", file=sys.stderr)
        return 1
    print(secret)
    print(f"This is the key of {key.name!r}; it is shown this once. {path} has its hash.", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m oncoserve.keys", description="API keys of Oncoserve.")
    new = parser.add_subparsers(required=True).add_parser("new", help="make a key and add its hash to the key file")
    new.add_argument("name", type=_name, help="whom it is for: small letters, digits, - and _")
    new.add_argument("--file", type=Path, default=os.environ.get(VARIABLE) or None, help=f"default: {VARIABLE}")
    new.add_argument("--per-min", type=int, help="requests per minute and process, 0 without limit")
    new.add_argument("--replace", action="store_true", help="the name may have a key already")
    return parser


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected {NAME.pattern}, got {text!r}")
    return text


if __name__ == "__main__":
    sys.exit(main())
