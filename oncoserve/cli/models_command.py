"""`oncoserve models`: what a service serves; `oncoserve models export`: the serving graphs of this machine."""

import argparse
import json
import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from oncoserve.cli.client.client_errors import EXIT_FINE, UsageError
from oncoserve.cli.client.connection import add_options, connect
from oncoserve.cli.client.printing import columns
from oncoserve.cli.client.service_client import Document
from oncoserve.cli.home_folder import find_home


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        The process's exit code.

    Raises:
        ClientError: it cannot go on.
    """
    given = _parser().parse_args(arguments)
    if given.action == "export":
        return _export(given.model, given.data, force=given.force)
    with closing(connect(given)) as service:
        found = service.models()
    if given.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        rows = [
            *map(_row, found["models"]),
            *((name, "-", "not ready", why) for name, why in found["not_ready"].items()),
        ]
        print(*columns([("MODEL", "VERSION", "TASK", "TITLE"), *rows]), sep="\n")
    return EXIT_FINE


def _row(model: Document) -> tuple[str, str, str, str]:
    return model["name"], model["version"], model["card"]["task"], model["card"]["title"]


def _export(models: Sequence[str], data: Path | None, *, force: bool) -> int:
    from oncoserve.cli.exporting import MODELS, export  # noqa: PLC0415 - who asks a service needs none of it

    unknown = [name for name in models if name not in MODELS]
    if unknown:
        raise UsageError(f"There is no recipe for {', '.join(unknown)}; there is: {', '.join(MODELS)}.")
    home = find_home(data, os.environ)
    if not home.exports:
        raise UsageError(f"The models of {home.repository(os.environ)} are your own; name another folder with --data.")
    return export(home, models, force=force)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="oncoserve models",
        description="List the models of a service: those that are ready, and why others are not.",
    )
    parser.add_argument("--json", action="store_true", help="the whole answer: cards, tensors, checksums")
    add_options(parser)
    actions = parser.add_subparsers(dest="action", metavar="export")
    export = actions.add_parser(
        "export",
        help="make the serving graphs of this machine from the published weights; see `export --help`",
        description="Fetch the pinned weights and make the serving graphs, with every check.",
    )
    export.add_argument("model", nargs="*", metavar="MODEL", help="default: all that there is a recipe for")
    export.add_argument("--force", action="store_true", help="also what is up to date")
    export.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="that the models are in; default: the project's folder, outside of one ~/.local/share/oncoserve",
    )
    return parser
