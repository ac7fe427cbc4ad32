"""`oncoserve predict`: a line for each picture; with --out they go as jobs, and files and a table come back."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from oncoserve import NOTICE
from oncoserve.cli.client.client_errors import UsageError
from oncoserve.cli.client.connection import add_options, connect, parameter, positive
from oncoserve.cli.client.folder_run import run_folder
from oncoserve.cli.client.picture_files import find, named
from oncoserve.cli.client.prediction_lines import ask
from oncoserve.cli.client.printing import say
from oncoserve.cli.client.sending import Order

FILES = ("overlay.png", "mask.png", "polygons.geojson", "seg.dcm", "sr.dcm", "sc.dcm")
FRAMES = ("file", "upright")


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        The process's exit code.

    Raises:
        ClientError: it cannot go on.
    """
    given = _parser().parse_intermixed_args(arguments)
    paths: list[Path] = given.path
    out: Path | None = given.out
    if any(path.is_dir() for path in paths):
        if len(paths) > 1:
            raise UsageError("One folder can be given, or any number of files.")
        if out is None:
            raise UsageError(f"{paths[0]} is a folder: say with --out where its results go.")
        found = find(paths[0], out, recursive=given.recursive)
        if found.others:
            say(f"left out: {found.others_in_words()}. PNG and JPEG files are taken; save the others as PNG first.")
        return run_folder(given, paths[0], found.pictures)
    folder, pictures = named(paths)
    if out is not None:
        return run_folder(given, folder, pictures)
    if given.files:
        raise UsageError(f"Say with --out where {' '.join(given.files)} goes.")
    if given.retry_failed:
        raise UsageError("--retry-failed is of a run: name its folder with --out.")
    if given.frame:
        raise UsageError("--frame is of the files that --out and --files bring; answers are of the upright picture.")
    return ask(connect(given), given.model, dict(given.set), pictures, as_json=given.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="oncoserve predict",
        usage="%(prog)s PICTURE ... --model MODEL [--json] [option ...]\n"
        "       %(prog)s FOLDER --model MODEL --out RESULTS [option ...]",
        description=f"Ask a model about pictures. {NOTICE}",
        epilog="Interrupted with --out, the same command goes on; with --retry-failed it sends again what failed.",
    )
    parser.add_argument("path", type=Path, nargs="+", help="PNG, JPEG or DICOM files, or one folder of them")
    parser.add_argument("--model", required=True, help="`oncoserve models` lists them")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        type=parameter,
        metavar="NAME=VALUE",
        help="parameters of the model's task, such as threshold=0.5",
    )
    parser.add_argument("--json", action="store_true", help="without --out: a JSON object a line instead of words")
    run = parser.add_argument_group("with --out")
    run.add_argument("--out", type=Path, help="folder of the results, new or of the run to go on with")
    run.add_argument("--recursive", action="store_true", help="take the folders in it too")
    run.add_argument("--retry-failed", action="store_true", help="send the pictures of this run that failed again")
    run.add_argument("--files", nargs="+", action="extend", default=[], choices=FILES, help="beside result.json")
    run.add_argument(
        "--frame",
        choices=FRAMES,
        help="whose pixels --files lie on, where EXIF says that a picture lies turned; default: the file's for masks "
        "and polygons, as QuPath shows it, and upright for overlays",
    )
    run.add_argument(
        "--job-images",
        type=positive,
        default=Order.max_images,
        metavar="N",
        help="most pictures of a job; default: %(default)s",
    )
    run.add_argument(
        "--job-mb",
        type=positive,
        default=Order.max_bytes // 10**6,
        metavar="N",
        help="most MB of a job; default: %(default)s",
    )
    add_options(parser)
    return parser
