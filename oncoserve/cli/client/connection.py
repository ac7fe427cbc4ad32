"""How a command finds its service: the options, the API key, the warning before a key travels in clear."""

import argparse
import os
from pathlib import Path
from urllib.parse import urlsplit

from oncoserve.cli.client.client_errors import UsageError
from oncoserve.cli.client.printing import say
from oncoserve.cli.client.service_client import ServiceClient

KEY_VARIABLE = "ONCO_API_KEY"
RESERVED = {"model", "image", "images", "uploads"}  # fields of the requests that are no parameters
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command has that asks a service."""
    options = parser.add_argument_group("the service")
    options.add_argument("--url", type=address, default="http://localhost:5000", help="default: %(default)s")
    options.add_argument("--key-file", type=Path, help=f"with the API key in it; else the variable {KEY_VARIABLE}")
    options.add_argument(
        "--patience-s",
        type=positive,
        default=120,
        metavar="N",
        help="how long it may be away or busy, once it has answered; default: %(default)s",
    )


def connect(given: argparse.Namespace) -> ServiceClient:
    """The service that the options name; nothing is sent yet.

    Raises:
        UsageError: the key cannot be had.
    """
    key = _key(given.key_file)
    parts = urlsplit(given.url)
    if key and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        say(f"the API key travels to {parts.hostname} without encryption; use https.")
    return ServiceClient(given.url, key, given.patience_s, tell=say)


def positive(text: str) -> int:
    """A whole number above 0, as an argument."""
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return int(text)


def parameter(text: str) -> tuple[str, str]:
    """NAME=VALUE of a parameter of a model's task, as an argument."""
    name, equals, value = text.partition("=")
    if not (name and equals) or name in RESERVED:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE of a parameter, got {text!r}")
    return name, value


def address(text: str) -> str:
    """The address of a service, as an argument."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        usable = False
    if not usable or parts.username or parts.query:
        raise argparse.ArgumentTypeError(f"expected an address like http://localhost:5000, got {text!r}")
    return text.rstrip("/")


def _key(path: Path | None) -> str | None:
    """The API key; never from the command line, which other users of the machine can read."""
    try:
        key = os.environ.get(KEY_VARIABLE, "") if path is None else path.read_text()
    except (OSError, UnicodeError) as error:
        raise UsageError(f"The key file cannot be read: {error}.") from error
    key = key.strip()
    if path is not None and not key:
        raise UsageError(f"{path} has no key in it.")
    if not (key.isascii() and key.isprintable()):
        raise UsageError("The API key has characters that no key has.")
    return key or None
