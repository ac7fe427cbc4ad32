"""Labelled pictures of a folder.

Of a classifier: a folder for each class, named as the class is. Of a segmenter: `pictures/` and `masks/`, each mask a
PNG of its picture's name whose pixels are the class's number, 0 for none. Beside them `patients.csv`, `file,patient`,
says which pictures are of one patient; without it each counts for itself.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model_export.own.own_errors import OwnModelError

PICTURES: Final = frozenset({".png", ".jpg", ".jpeg"})
PATIENTS: Final = "patients.csv"


@dataclass(frozen=True)
class Labelled:
    """A picture, and what is true of it.

    Attributes:
        path: The picture.
        truth: A class's name, or the path of a mask.
        patient: Whose it is.
    """

    path: Path
    truth: str
    patient: str


def labelled_pictures(folder: Path, classes: Sequence[str]) -> list[Labelled]:
    """Pictures in folders of classes.

    Raises:
        OwnModelError: There are none, or a folder is of no class.
    """
    there = sorted(each.name for each in folder.iterdir() if each.is_dir())
    strangers = sorted(set(there) - set(classes))
    if strangers:
        raise OwnModelError(
            f"{folder} has a folder {strangers[0]!r}, which is no class of the model: {', '.join(classes)}"
        )
    found = {path: path.parent.relative_to(folder).parts[0] for name in there for path in _pictures(folder / name)}
    if not found:
        raise OwnModelError(f"{folder} has no pictures in folders named {', '.join(classes)}")
    patients = _patients(folder)
    return [
        Labelled(path, truth, patients.get(_name(path, folder), str(path))) for path, truth in sorted(found.items())
    ]


def labelled_maps(folder: Path) -> list[Labelled]:
    """Pictures with masks.

    Raises:
        OwnModelError: There are none, or a picture has no mask.
    """
    found, patients = _pictures(folder / "pictures"), _patients(folder)
    if not found:
        raise OwnModelError(f"{folder} has no pictures in pictures/, whose masks are in masks/")
    labelled = []
    for path in found:
        mask = folder / "masks" / path.relative_to(folder / "pictures").with_suffix(".png")
        if not mask.is_file():
            raise OwnModelError(f"{path} has no mask {mask}")
        labelled.append(Labelled(path, str(mask), patients.get(_name(path, folder), str(path))))
    return labelled


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES and path.is_file())


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _patients(folder: Path) -> dict[str, str]:
    path = folder / PATIENTS
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, rows = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OwnModelError(f"{path} is no table of comma-separated values in UTF-8: {error}") from error
    if not {"file", "patient"} <= set(columns):
        raise OwnModelError(f"{path} has the columns {', '.join(columns)[:200]}; file and patient are wanted")
    patients: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        name, patient = row["file"], row["patient"]
        # A slip here would count pictures of one patient as those of several, and make intervals narrower.
        if not name or not patient or name in patients or not (folder / name).is_file():
            raise OwnModelError(
                f"{path}, line {number}: {name!r:.100} of {patient!r:.50} is no file of this folder, is there twice, "
                "or has no patient"
            )
        patients[name] = patient
    return patients
