"""Errors when a result is viewed or corrected."""

from collections.abc import Iterable

from oncoserve.errors.platform import RequestError


class TileNotFound(RequestError):
    """The result's picture has no such layer, level or tile."""

    status, code, title = 404, "tile_not_found", "There is no such tile"
    advice = "GET /v1/results/{id}/tiles lists the layers and the number of levels."

    def __init__(self, layer: str, level: str, tile: str) -> None:
        super().__init__(f"There is no tile {tile[:20]!r} in level {level[:20]!r} of layer {layer[:20]!r}.")


class CorrectionsNotAvailable(RequestError):
    """Results of this model have no objects that could be excluded."""

    status, code, title = 404, "corrections_not_available", "The result has nothing to correct"
    advice = "Only results with polygons have objects that can be excluded."

    def __init__(self, model: str) -> None:
        super().__init__(f"Results of model {model!r} have no objects.")


class UnknownObjects(RequestError):
    """The result does not have these objects at this threshold, so they cannot be excluded."""

    status, code, title = 422, "unknown_objects", "The result has no such objects"
    advice = "polygons.geojson names the objects; each threshold has its own."

    def __init__(self, unknown: Iterable[str]) -> None:
        names = sorted(unknown)
        super().__init__(f"Unknown are {', '.join(repr(name[:40]) for name in names[:5])}; {len(names)} in all.")


class TooManyCorrections(RequestError):
    """The result has corrections at as many thresholds as are kept."""

    status, code, title = 422, "too_many_corrections", "The result has corrections at too many thresholds"
    advice = "Send an empty list for a threshold whose corrections are no longer needed."

    def __init__(self, limit: int) -> None:
        super().__init__(f"Corrections are kept at {limit} thresholds at most.")


class SourceNotDicom(RequestError):
    """The file is made for DICOM images, and the picture of this result was none."""

    status, code, title = 404, "source_not_dicom", "The picture is no DICOM image"
    advice = "Send the image as DICOM; its patient, study and place go into the files that are made of the result."

    def __init__(self, name: str, found: str) -> None:
        super().__init__(f"There is no {name}: the picture was {found[:20]}, and not DICOM.")


class NothingToSegment(RequestError):
    """The mask is empty, and a DICOM segmentation has one segment at least."""

    status, code, title = 404, "nothing_to_segment", "There is nothing to segment"
    advice = "sr.dcm says what was found; mask.png is there, and empty."

    def __init__(self) -> None:
        super().__init__("No pixel has a class here.")


class SourceIncomplete(RequestError):
    """The DICOM image has no UIDs, or other than UIDs, so that nothing can refer to it."""

    status, code, title = 422, "source_incomplete", "Nothing can refer to the DICOM image"
    advice = "Send it as the modality or the archive has it: with the UIDs of its study, its series and its own."

    def __init__(self, missing: Iterable[str]) -> None:
        super().__init__(f"The image has no valid {', '.join(missing)}.")


class EvidenceFailed(RequestError):
    """The DICOM image says of itself what no output can be made with."""

    status, code, title = 422, "evidence_failed", "No output can be made for this DICOM image"
    advice = "The other files of the result are there. Report it with the image, if that may leave your house."

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} cannot be made for this image.")
