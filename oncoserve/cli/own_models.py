"""`oncoserve models add`, `check`, `measure`, `rollback`, `remove`: models of one's own in the repository."""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from oncoserve.cli.client.client_errors import EXIT_FINE, UsageError
from oncoserve.cli.client.printing import say
from oncoserve.cli.home_folder import find_home
from oncoserve.cli.installed import RUN, require
from supervision.stop_signals import STOP_SIGNALS

PICTURES: Final = frozenset({".png", ".jpg", ".jpeg"})
TASKS: Final = ("classification", "segmentation", "detection", "delineation")
QUESTIONS: Final = {
    "name": "Name of the model (a-z, 0-9, _): ",
    "task": "Task (classification, segmentation, detection or delineation): ",
    "classes": "Classes in the order of the output, separated by commas: ",
}


def main(arguments: Sequence[str]) -> int:
    """Run one of the five.

    Args:
        arguments: Its name first.

    Returns:
        The process's exit code.

    Raises:
        UsageError: It cannot be done; nothing was changed.
    """
    given = _parser().parse_args(arguments)
    require(f"models {given.action}", RUN)
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime 1.29 and later report to Microsoft unless told
    from model_export.export_errors import ExportError  # noqa: PLC0415 - after it is known that its packages are there
    from model_export.own.own_errors import disk_is_full  # noqa: PLC0415

    repository = find_home(given.data, os.environ).repository(os.environ).absolute()
    if " " in str(repository):
        raise UsageError(f"Triton cannot work in a path with a space, such as {repository}; name another with --data.")
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        return {"add": _add, "check": _check, "remove": _remove, "measure": _measure, "rollback": _roll_back}[
            given.action
        ](given, repository)
    except ExportError as error:
        raise _unchanged(str(error)) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _unchanged(disk_is_full(repository)) from error
        raise _unchanged(f"{error.filename or repository}: {error.strerror or error}") from error
    except RecursionError as error:
        raise _unchanged("One of its files is nested deeper than anything that was made to be read") from error
    except MemoryError as error:
        raise _unchanged(
            "This machine has too little memory for it: bring a smaller graph or smaller pictures"
        ) from error


def _unchanged(words: str) -> UsageError:
    return UsageError(f"{words}{'' if words.endswith(('.', '?')) else '.'} Nothing was changed.")


def _stop(*_: object) -> NoReturn:
    """End as after Ctrl-C, whichever signal it was: folders and processes go first, no second signal hinders that."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _add(given: argparse.Namespace, repository: Path) -> int:
    from model_export.kept.kept_models import KEPT  # noqa: PLC0415 - see above
    from model_export.own.adding import add  # noqa: PLC0415
    from model_export.own.wanted import Wanted  # noqa: PLC0415
    from oncoserve.cli.exporting import MODELS  # noqa: PLC0415
    from oncoserve.prediction.catalogue import SERVER  # noqa: PLC0415

    wanted = Wanted.of(_said(given))
    if wanted.name in {*MODELS, *(each.name for each in KEPT), SERVER}:  # an export would write among its files
        raise UsageError(f"The project itself has something named {wanted.name}: choose another --name.")
    new = given.version == "new"
    folder = add(given.graph, wanted, repository, _pictures(given.samples), say, another_version=new)
    say(f"{wanted.name}: written to {folder}; nothing of it is measured. A service that runs takes it in by itself.")
    return EXIT_FINE


def _check(given: argparse.Namespace, repository: Path) -> int:
    from model_export.own.added_models import check  # noqa: PLC0415 - see above

    print(*check(repository, given.name), sep="\n")
    return EXIT_FINE


def _remove(given: argparse.Namespace, repository: Path) -> int:
    from model_export.own.added_models import remove  # noqa: PLC0415 - see above

    say(f"{remove(repository, given.name)} is gone. A service that runs takes it out by itself.")
    return EXIT_FINE


def _roll_back(given: argparse.Namespace, repository: Path) -> int:
    from model_export.own.own_versions import roll_back  # noqa: PLC0415 - see above

    newest, older = roll_back(repository, given.name)
    say(f"Version {newest} of {given.name} is gone. A service that runs goes back to version {older} by itself.")
    return EXIT_FINE


def _measure(given: argparse.Namespace, repository: Path) -> int:
    from model_export.own.measured.measuring import measure  # noqa: PLC0415 - see above

    for each in measure(repository, given.name, given.folder.absolute(), given.called or given.folder.name, say):
        print(f"{each.metric}: {each.value:g} ({each.caveat})")
    return EXIT_FINE


def _said(given: argparse.Namespace) -> dict[str, Any]:
    """What is published, a TOML file, the options and, at a terminal, the answers say; the later ones win."""
    from model_export.own.published import read_published  # noqa: PLC0415 - see above
    from model_export.own.wanted import read_toml  # noqa: PLC0415

    said = read_published(given.published, given.graph, given.config) if given.published else {}
    said |= read_toml(given.toml) if given.toml else {}
    options = {name: value for name, value in vars(given).items() if name not in NOT_SAID and value is not None}
    said |= options
    for name, question in QUESTIONS.items():
        if name not in said:
            if not sys.stdin.isatty():
                raise UsageError(f"What the graph cannot tell has to be said: --{name}, or a line of --toml.")
            answer = input(question).strip()
            said[name] = _names(answer) if name == "classes" else answer
    return said


NOT_SAID: Final = frozenset({"action", "graph", "toml", "samples", "data", "published", "config", "version"})


def _pictures(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    found = [path for path in folder.rglob("*") if path.suffix.lower() in PICTURES and path.is_file()]
    if not found:
        raise UsageError(f"{folder} has no pictures ({', '.join(sorted(PICTURES))}).")
    return found


def _names(text: str) -> list[str]:
    return [each.strip() for each in text.split(",")]


def _numbers(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers with commas between them, got {text!r}") from None


def _millimetres(text: str) -> float:
    try:
        return 1000 * float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="oncoserve models", description="Models of your own, on this machine.")
    actions = parser.add_subparsers(dest="action", required=True)
    add = actions.add_parser(
        "add",
        help="bring an ONNX graph",
        usage="%(prog)s MODEL.onnx --name NAME --task TASK --classes A,B,C [option ...]",
        description="Look into an ONNX graph, wrap it so that it takes pictures, check it against the given one and in "
        "Triton, and write its folder. What fails leaves nothing behind.",
    )
    add.add_argument("graph", type=Path, metavar="MODEL.onnx")
    _add_what_is_said(add)
    add.add_argument("--samples", type=Path, metavar="FOLDER", help="pictures to check on; default: noise")
    add.add_argument(
        "--from", dest="published", choices=("wsinfer", "monai"), help="take what is published beside the model"
    )
    add.add_argument("--config", type=Path, metavar="FILE", help="of --from, where it lies elsewhere")
    add.add_argument("--toml", type=Path, metavar="FILE", help="says any of the above, with underscores for hyphens")
    add.add_argument("--version", choices=("new",), help="make it another version of a model that was added before")
    for action, about in (
        ("check", "look at a model again"),
        ("remove", "take a model away that was added"),
        ("rollback", "take the newest version of a model away"),
    ):
        each = actions.add_parser(action, help=about, description=f"{about[0].upper()}{about[1:]}.")
        each.add_argument("name", metavar="MODEL")
    measure = actions.add_parser(
        "measure",
        help="measure a model on labelled pictures",
        description="Ask a model about labelled pictures and write what it is worth into its card: accuracy, recall "
        "and calibration, or Dice. FOLDER has a folder for each class; of a segmenter pictures/ and masks/. In it "
        "patients.csv (file,patient) says which pictures are of one patient: intervals are over patients.",
    )
    measure.add_argument("name", metavar="MODEL")
    measure.add_argument("folder", type=Path, metavar="FOLDER")
    measure.add_argument(
        "--called", metavar="WORDS", help="what the data are called on the card; default: FOLDER's name"
    )
    for each in actions.choices.values():
        each.add_argument("--data", type=Path, metavar="FOLDER", help="of the service; see `oncoserve run --help`")
    return parser


def _add_what_is_said(add: argparse.ArgumentParser) -> None:
    """What cannot be told from the graph, and what it may say itself."""
    add.add_argument("--name", help="of the model: its folder, its address")
    add.add_argument("--task", choices=TASKS, help="what it answers")
    add.add_argument("--classes", type=_names, metavar="A,B,C", help="in the order of the output's channels")
    add.add_argument("--background", help="the one of them that is none; default: background")
    add.add_argument("--layout", choices=("NCHW", "NHWC"), help="of the graph's input; default: as it looks")
    add.add_argument("--colours", choices=("RGB", "BGR"), help="their order in training; default: RGB")
    add.add_argument("--scale", type=float, help="pixels (0 to 255) are multiplied with it; default: 1/255")
    add.add_argument("--mean", type=_numbers, metavar="R,G,B", help="taken off then; default: 0,0,0")
    add.add_argument("--std", type=_numbers, metavar="R,G,B", help="divided by at last; default: 1,1,1")
    add.add_argument("--width", type=int, help="pixels, where the graph leaves them open")
    add.add_argument("--height", type=int, help="pixels, where the graph leaves them open")
    add.add_argument("--resize-filter", choices=("bicubic", "bilinear", "lanczos", "box"), help="default: bilinear")
    add.add_argument("--fit", choices=("stretch", "letterbox", "crop"), help="to the graph's size; default: stretch")
    add.add_argument("--crop-share", type=float, help="of the middle, with --fit crop; PyTorch's 224 of 256 is 0.875")
    add.add_argument("--padding", metavar="#RRGGBB", help="beside a letterboxed picture; default: #000000")
    add.add_argument("--labels", choices=("one", "many"), help="many: the classes do not exclude each other")
    add.add_argument("--least-probability", type=float, help="below it no class is named; default: 0")
    add.add_argument("--outputs", type=_names, metavar="A,B", help="of the graph that are read; default: all")
    add.add_argument("--answers", choices=("logits", "probabilities"), help="of the graph; default: as they look")
    add.add_argument("--threshold", type=float, help="least probability of a pixel's class, least score of a box")
    _add_of_segmentation(add)
    _add_of_detection(add)
    _add_of_delineation(add)
    add.add_argument("--title", help="for the page")
    add.add_argument("--modality", help="what its pictures are")
    add.add_argument("--intended-use", help="what it is for")
    add.add_argument("--licence", help="of the weights")


def _add_of_segmentation(add: argparse.ArgumentParser) -> None:
    group = add.add_argument_group("segmentation", "Left out, the whole picture is resized to the graph's size.")
    group.add_argument("--um-per-px", type=float, help="of training; a picture is brought to it and cut into tiles")
    group.add_argument(
        "--mm-per-px",
        dest="um_per_px",
        type=_millimetres,
        metavar="MM_PER_PX",
        help="the same in millimetres",
    )
    group.add_argument("--tiles", action="store_true", default=None, help="cut the picture into tiles as it is")
    group.add_argument("--overlap", type=int, help="of tiles, pixels; default: half a tile")
    group.add_argument("--steps", type=_names, metavar="glass,stains", help="for H&E: see docs/your_model.md")


def _add_of_detection(add: argparse.ArgumentParser) -> None:
    group = add.add_argument_group("detection")
    group.add_argument("--decode", choices=("yolov8", "yolov5", "rows", "apart"), help="default: as the outputs look")
    group.add_argument("--boxes", choices=("corners", "corners_yx", "centres"), help="default: as it decodes")
    group.add_argument("--box-units", choices=("pixels", "shares"), help="of the graph's input; default: pixels")
    group.add_argument("--most-overlap", type=float, help="of two boxes of a class (IoU); default: 0.45")


def _add_of_delineation(add: argparse.ArgumentParser) -> None:
    group = add.add_argument_group("delineation")
    group.add_argument("--least-mask", type=float, help="of the mask, for a pixel to be inside; default: 0.5")
    group.add_argument("--least-seen", type=float, help="of the mask's peak, below it no class is named; default: 0")
    group.add_argument("--outlined", metavar="WORD", help="what is outlined; default: tumour")
