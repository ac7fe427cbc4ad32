"""A mask as a DICOM Segmentation: a segment for each class that is there, where the source's frame lies."""

from collections.abc import Sequence

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from oncoserve import NOTICE
from oncoserve.errors import NothingToSegment
from oncoserve.pictures.decode import rgb_of
from oncoserve.results.evidence.coded_classes import MOST_LETTERS, category_of, type_of
from oncoserve.results.evidence.evidence_file import MAKER, Output
from oncoserve.tasks.card import ModelClass
from oncoserve.tasks.regions.components import Mask


def segmentation(output: Output, masks: Sequence[tuple[ModelClass, Mask]]) -> Dataset:
    """The object.

    Args:
        output: what is made.
        masks: by class, each (H, W) of the ORIGINAL; classes may overlap.

    Raises:
        NothingToSegment: no class is there.
    """
    if not masks:
        raise NothingToSegment
    # (frames, rows, columns, segments): one frame, each segment by itself.
    pixels = np.stack([mask for _, mask in masks], axis=-1)[np.newaxis].astype(np.uint8)
    segments = [_described(output, number, each) for number, (each, _) in enumerate(masks, 1)]
    made = Segmentation(
        [output.source.header],
        pixels,
        "BINARY",
        segments,
        content_label="ONCOSERVE",
        content_description=NOTICE,
        **output.fields("Segmentation"),
    )
    made.ImageComments = output.words
    if not output.source.located:
        made.PatientOrientation = []
    elif "SpacingBetweenSlices" not in output.source.header:  # of one slice the library takes it to be 1
        del made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices
    return made


def _described(output: Output, number: int, each: ModelClass) -> SegmentDescription:
    algorithm = AlgorithmIdentificationSequence(
        output.made["model"],
        codes.DCM.ArtificialIntelligence,
        output.made["version"],
        source=MAKER,
        parameters={"sha256": output.sha256, **{name: str(value) for name, value in output.made["parameters"].items()}},
    )
    found = SegmentDescription(
        number,
        each.title[:MOST_LETTERS],
        category_of(each),
        type_of(each),
        "AUTOMATIC",
        algorithm,
        tracking_uid=output.uid("segment", each.name),
        tracking_id=each.name,
        display_color=CIELabColor.from_rgb(*rgb_of(each.colour)),
    )
    if each.description:
        found.SegmentDescription = each.description
    return found
