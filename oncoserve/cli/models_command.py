"""`oncoserve models`: what a service serves; `export`, `add` and more: what is served from this machine."""

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from oncoserve.cli.client.client_errors import EXIT_FINE, UsageError
from oncoserve.cli.client.printing import columns
from oncoserve.cli.home_folder import find_home

OWN = {"add", "check", "measure", "remove", "rollback"}


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        The process's exit code.

    Raises:
        ClientError: it cannot go on.
    """
    if arguments and arguments[0] in OWN:
        from oncoserve.cli import own_models  # noqa: PLC0415 - who asks a service needs none of it

        return own_models.main(arguments)
    from oncoserve.cli.client.connection import add_options, connect  # noqa: PLC0415 - who adds models asks no service

    parser = _parser(add_options)
    given = parser.parse_intermixed_args(arguments)
    if given.action == "export":
        return _export(given.model, given.data, force=given.force)
    if given.model:
        parser.error("`list` takes no MODEL")
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


def _row(model: Mapping[str, Any]) -> tuple[str, str, str, str]:
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


def _parser(add_options: Callable[[argparse.ArgumentParser], None]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="oncoserve models",
        usage="%(prog)s [--json] [option ...]\n       %(prog)s export [MODEL ...] [--force] [--data FOLDER]\n"
        "       %(prog)s add | check | measure | rollback | remove ... (each with a --help of its own)",
        description="List the models of a service, and why some are not ready; or make the serving graphs of this "
        "machine: `export` fetches the pinned weights and checks every graph that it writes.",
    )
    parser.add_argument("action", nargs="?", choices=("list", "export"), default="list", help="default: list")
    parser.add_argument("model", nargs="*", metavar="MODEL", help="to export; default: all that there is a recipe for")
    parser.add_argument("--json", action="store_true", help="the whole answer: cards, tensors, checksums")
    add_options(parser)
    export = parser.add_argument_group("with export")
    export.add_argument("--force", action="store_true", help="export again what is up to date")
    export.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="of the service; default: the project's folder, outside of one ~/.local/share/oncoserve",
    )
    return parser
