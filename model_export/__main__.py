"""The command: `python -m model_export [MODEL ...] [--force]`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from model_export.export_errors import ExportError
from model_export.export_files import Layout
from model_export.exporters import EXPORTERS, Exporter, export
from model_export.kept.kept_models import KEPT, Kept, complete

_CHECKOUT: Final = Path(__file__).resolve().parents[1]


def main(
    arguments: Sequence[str] | None = None,
    *,
    exporters: Sequence[Exporter] = EXPORTERS,
    kept: Sequence[Kept] = KEPT,
    root: Path = _CHECKOUT,
) -> int:
    """Exports the named models, or all, and gives the exit status."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime 1.29 and later report to Microsoft unless told
    makers: dict[str, Callable[..., None]] = {exporter.name: partial(export, exporter) for exporter in exporters}
    makers |= {each.name: partial(complete, each) for each in kept}
    parser = argparse.ArgumentParser(prog="model_export", description="Export the serving graphs of the models.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"one of: {', '.join(makers)} (default: all)")
    parser.add_argument("--force", action="store_true", help="export again what is up to date")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.models if name not in makers]
    if unknown:
        parser.error(f"unknown model {', '.join(unknown)}; there is: {', '.join(makers)}")
    for name, make in makers.items():
        if name in (chosen.models or makers):
            try:
                make(Layout(root), partial(print, flush=True), force=chosen.force)
            except ExportError as error:
                print(f"{name}: error: {error}. No exported model was changed.", file=sys.stderr)
                return 1
            except OSError as error:
                print(f"{name}: error: {error}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
