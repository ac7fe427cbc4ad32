"""What was found as groups of measurements (PS3.16, TID 1501 and TID 1410), from the numbers of a result's document."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes
from pydicom.uid import SecondaryCaptureImageStorage

from oncoserve.results.evidence.coded_classes import AREA_SHARE, concept, type_of
from oncoserve.results.evidence.evidence_file import Output
from oncoserve.tasks.card import ModelClass
from oncoserve.tasks.regions import measures

MOST_REGIONS: Final = 100
"""Of a report: more than anybody reads; each is a group of a dozen items."""
ONE: Final = CodedConcept("1", "UCUM", "no units")
PER_CENT: Final = CodedConcept("%", "UCUM", "Percent")
PX: Final = CodedConcept("{pixels}", "UCUM", "pixels")
MM: Final = CodedConcept("mm", "UCUM", "millimeter")
MM2: Final = CodedConcept("mm2", "UCUM", "square millimeter")
PROBABILITY: Final = CodedConcept("122157", "DCM", "Probability")
Group = MeasurementsAndQualitativeEvaluations | PlanarROIMeasurementsAndQualitativeEvaluations
Ring = Sequence[Sequence[float]]


class Groups:
    """The groups of a result.

    Args:
        output: what is made.
        document: the result, as it reads with the options.

    Attributes:
        left_out: in words, what there was no room for.
    """

    def __init__(self, output: Output, document: Mapping[str, Any]) -> None:
        self._output = output
        self._document = document
        self._classes = {each.name: each for each in output.stored.card.classes}
        self._mm_per_px = document.get("mm_per_px") or document["image"].get("mm_per_px")
        self.left_out: list[str] = []

    def all(self) -> list[Group]:
        """The first is about the whole picture."""
        document = self._document
        if "counts" in document:
            found = [*self._whole([]), *self._boxes(document["boxes"])]
        elif "areas" in document:
            found = [*self._whole([]), *(self._area(name, area) for name, area in document["areas"].items())]
        else:
            found = [*self._labelled(), *self._located(document.get("localisation"))]
        return found

    def _labelled(self) -> Iterator[Group]:
        """The class or classes that are named, or that none is; and how probable each is."""
        labels = self._document.get("labels", [self._document["label"]])
        named = [type_of(self._classes[name]) for name in labels if name is not None]
        values = [codes.SCT.Indeterminate] if labels == [None] else named
        yield from self._whole(values)
        for name, value in (self._document["probabilities"] or {}).items():
            measured = [Measurement(PROBABILITY, value, ONE)]
            yield self._group(f"class {name}", type_of(self._classes[name]), measured)

    def _whole(self, findings: Sequence[CodedConcept]) -> list[Group]:
        evaluations = [QualitativeEvaluation(codes.DCM.Impression, each) for each in findings]
        return [self._group("picture", None, [], evaluations)]

    def _located(self, found: Mapping[str, Any] | None) -> Iterator[Group]:
        """What is outlined, a region by itself each, the largest first; or the box."""
        if found is None:
            return
        finding, certain = self._named(), Measurement(codes.DCM.CertaintyOfFinding, 100 * found["certainty"], PER_CENT)
        if "outline" not in found:
            if found["box"]:
                yield self._region("box", finding, _corners(found["box"]), [certain])
            return
        polygons = sorted(found["outline"], key=measures.area, reverse=True)
        self._leave_out(len(polygons), "regions")
        if polygons:
            yield self._group("outline", finding, [self._area_of(found["area_px"]), certain])
        for number, rings in enumerate(polygons[:MOST_REGIONS], 1):
            longest = Measurement(codes.SCT.LongAxis, *self._length(measures.longest_diameter(rings[0])))
            measured = [self._area_of(measures.area(rings)), longest]
            yield self._region(f"region {number}", finding, rings[0], measured)

    def _boxes(self, boxes: Sequence[Mapping[str, Any]]) -> Iterator[Group]:
        """The best ones."""
        self._leave_out(len(boxes), "boxes")
        for number, box in enumerate(boxes[:MOST_REGIONS], 1):
            measured = [Measurement(PROBABILITY, box["score"], ONE)]
            yield self._region(f"box {number}", type_of(self._classes[box["label"]]), _corners(box), measured)

    def _area(self, name: str, area: Mapping[str, Any]) -> MeasurementsAndQualitativeEvaluations:
        size = (area["px"], PX) if area["mm2"] is None else (area["mm2"], MM2)
        share = Measurement(concept(AREA_SHARE), 100 * area["fraction"], PER_CENT)
        measured = [Measurement(codes.SCT.Area, *size), share]
        return self._group(f"class {name}", type_of(self._classes[name]), measured)

    def _named(self) -> CodedConcept:
        """What the place is of."""
        label, card = self._document["label"], self._output.stored.card
        if label is not None:
            return type_of(self._classes[label])
        code = card.delineation and card.delineation.outlined_code
        return concept(code) if code else type_of(ModelClass(name="x", title="x", colour="#000000", description=""))

    def _area_of(self, px: float) -> Measurement:
        scale = self._mm_per_px
        return Measurement(codes.SCT.Area, *((px, PX) if scale is None else (round(px * scale**2, 4), MM2)))

    def _length(self, px: float) -> tuple[float, CodedConcept]:
        scale = self._mm_per_px
        return (round(px, 2), PX) if scale is None else (round(px * scale, 2), MM)

    def _leave_out(self, count: int, what: str) -> None:
        if count > MOST_REGIONS:
            self.left_out.append(f"{count - MOST_REGIONS} of {count} {what} are left out here.")

    def _group(
        self,
        name: str,
        finding: CodedConcept | None,
        measured: Sequence[Measurement],
        evaluations: Sequence[QualitativeEvaluation] = (),
    ) -> MeasurementsAndQualitativeEvaluations:
        return MeasurementsAndQualitativeEvaluations(
            self._tracked(name),
            finding_type=finding,
            algorithm_id=self._algorithm(),
            measurements=list(measured),
            qualitative_evaluations=list(evaluations),
        )

    def _region(
        self, name: str, finding: CodedConcept, ring: Ring, measured: Sequence[Measurement]
    ) -> PlanarROIMeasurementsAndQualitativeEvaluations:
        source = self._output.source
        image = SourceImageForRegion(
            SecondaryCaptureImageStorage,  # as in the evidence; the source's own is stated when all is made
            source.header.SOPInstanceUID,
            None if source.frame is None else [source.frame],
        )
        return PlanarROIMeasurementsAndQualitativeEvaluations(
            self._tracked(name),
            referenced_region=ImageRegion(GraphicTypeValues.POLYLINE, np.array(ring, np.float32), image),
            finding_type=finding,
            algorithm_id=self._algorithm(),
            measurements=list(measured),
        )

    def _tracked(self, name: str) -> TrackingIdentifier:
        return TrackingIdentifier(self._output.uid("group", name), name)

    def _algorithm(self) -> AlgorithmIdentification:
        made = self._output.made
        parameters = [f"{name}={value}" for name, value in made["parameters"].items() if value is not None]
        return AlgorithmIdentification(made["model"], made["version"], [f"sha256={self._output.sha256}", *parameters])


def _corners(box: Mapping[str, float]) -> Ring:
    left, top, right, bottom = box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
