"""Where a frame stands among the others of its series: what slices are put into order by."""

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from oncoserve.pictures.dicom.instance import Instance
from oncoserve.pictures.dicom.library_faults import reading

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Standing:
    """Of a frame. The identifiers are the file's own, for comparing alone: they lead to a patient.

    Attributes:
        study, series: UIDs; empty where the file does not say them.
        frame: its number in the file that it was in, from 1 on.
        number: of the instance; None where it does not say.
        corner: of the first pixel, in millimetres in the patient's coordinates; None where it does not say how it lies.
        normal: of its plane, of length 1; as above.
    """

    study: str
    series: str
    frame: int
    number: int | None = None
    corner: Vector | None = None
    normal: Vector | None = None


def standing_of(instance: Instance, number: int) -> Standing:
    """The standing of a frame.

    Args:
        instance: the image.
        number: of the frame in the file, from 1 on.

    Raises:
        CorruptImage
    """
    with reading("header"):
        said = instance.of_frame(number)
        corner, normal = _plane(said)
        return Standing(
            str(said.get("StudyInstanceUID") or ""),
            str(said.get("SeriesInstanceUID") or ""),
            instance.place.number if instance.place else number,
            _number(said),
            corner,
            normal,
        )


def _number(said: Dataset) -> int | None:
    try:
        return int(said["InstanceNumber"].value)
    except (KeyError, TypeError, ValueError):
        return None


def _plane(said: Dataset) -> tuple[Vector, Vector] | tuple[None, None]:
    """Corner and normal (PS3.3, C.7.6.2)."""
    try:
        x, y, z, *rest = (float(each) for each in said["ImageOrientationPatient"].value)
        left, back, up = (float(each) for each in said["ImagePositionPatient"].value)
        normal = np.cross((x, y, z), rest)
    except (KeyError, TypeError, ValueError):
        return None, None
    length = float(np.linalg.norm(normal))
    if not (np.isfinite((left, back, up, length)).all() and length > 0):
        return None, None
    along = normal / length
    return (left, back, up), (float(along[0]), float(along[1]), float(along[2]))
