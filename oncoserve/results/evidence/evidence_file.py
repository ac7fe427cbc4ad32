"""What the three outputs have in common: whose they are, when they were made, what they refer to, and their bytes."""

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from typing import Any, Final

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pydicom.valuerep import DA, DT, TM

from oncoserve import NOTICE
from oncoserve.errors import EvidenceFailed, PlatformError
from oncoserve.pictures.dicom.library_faults import GIVES_UP
from oncoserve.results.evidence.coded_classes import schemes
from oncoserve.results.evidence.deidentifying import Pseudonyms, deidentify
from oncoserve.results.evidence.evidence_options import EvidenceOptions
from oncoserve.results.evidence.output_uids import Asked
from oncoserve.results.evidence.source_header import Source, read_source
from oncoserve.results.result_store import SOURCE
from oncoserve.tasks.base import Stored

MAKER: Final = "Oncoserve"
SERIES_NUMBERS: Final = {"seg": 9001, "sr": 9002, "sc": 9003}
"""High, so that they come last where series are listed by number."""


@dataclass(frozen=True)
class Output:
    """A file that is made of a stored result.

    Attributes:
        kind: `seg`, `sr` or `sc`.
        stored: the result.
        options: as they were asked for.
        excluded: ids of objects that a person excluded in this view.
    """

    kind: str
    stored: Stored
    options: EvidenceOptions
    excluded: frozenset[str] = frozenset()

    @cached_property
    def source(self) -> Source:
        """The image that the result is of."""
        image = self.stored.document["image"]
        return read_source(self.stored.files[SOURCE], *self._place, (image["height"], image["width"]))

    @property
    def _place(self) -> tuple[int, int]:
        """The number of the frame, from 1 on, and how many the source has."""
        place = self.stored.document["image"]["dicom"]
        return place["frame"], place["frames"]

    @property
    def made(self) -> Mapping[str, Any]:
        """What made the result."""
        found: Mapping[str, Any] = self.stored.document["provenance"]
        return found

    @cached_property
    def asked(self) -> Asked:
        """What the UIDs follow from."""
        options = self.options.model_dump(mode="json", exclude_defaults=True)
        if self.excluded:
            options["excluded"] = sorted(self.excluded)
        return Asked(
            str(self.source.header.SOPInstanceUID),
            self._place[0],
            self.made["model"],
            self.made["version"],
            self.made["model_sha256"],
            self.made["parameters"],
            options,
        )

    def uid(self, *what: str) -> UID:
        """See `Asked.uid`."""
        return self.asked.uid(self.kind, *what)

    @property
    def series_uid(self) -> UID:
        """The same for all images of a series, of which each has an instance in it."""
        return replace(self.asked, instance=str(self.source.header.SeriesInstanceUID), frame=0).uid(self.kind, "series")

    @cached_property
    def created(self) -> datetime:
        """When the result was made, by the clock that the source's own times go by, if it says which."""
        moment = datetime.fromisoformat(self.made["created"]).astimezone(UTC)
        offset = str(self.source.identity.get("TimezoneOffsetFromUTC") or "+0000")
        minutes = int(offset[0] + offset[1:3]) * 60 + int(offset[0] + offset[3:5])
        return moment.astimezone(timezone(timedelta(minutes=minutes)))

    @property
    def sha256(self) -> str:
        """Of the model's graph, in words where it is not known."""
        return self.made["model_sha256"] or "unknown"

    @property
    def words(self) -> str:
        """The notice, and which model it was."""
        return f"{NOTICE} Model {self.made['model']}, version {self.made['version']}, SHA-256 {self.sha256}."

    def fields(self, described: str) -> dict[str, Any]:
        """What the library asks for, whatever the kind.

        Args:
            described: the series, in some words.
        """
        return {
            "series_instance_uid": self.series_uid,
            "series_number": SERIES_NUMBERS[self.kind],
            "sop_instance_uid": self.uid(),
            "instance_number": self.source.number,
            "manufacturer": MAKER,
            "manufacturer_model_name": self.made["model"],
            "software_versions": [self.made["version"], f"{MAKER} {self.made['code_version']}"],
            "device_serial_number": self.sha256,
            "series_description": f"{described}: {self.made['model']}, research use only"[:64],
            "specific_character_set": "ISO_IR 192",
            "coding_schemes": schemes(),
            "content_date": self.created.date(),
            "content_time": self.created.time(),
        }

    def bytes(self, build: Callable[["Output"], Dataset]) -> bytes:
        """The file.

        Args:
            build: makes the object of it, without the patient.

        Raises:
            SourceIncomplete, CorruptImage, EvidenceFailed, and what `build` raises of ours.
        """
        with making(f"{self.kind}.dcm"):
            # Read again, since the library has the same item in several sequences, and each is changed by itself.
            made = pydicom.dcmread(io.BytesIO(_written(build(self))))
            self._finish(made)
            if self.options.deidentify:
                deidentify(made, Pseudonyms(self.stored.secret()))
            made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
            return _written(made)

    def _finish(self, made: Dataset) -> None:
        """Whose it is, when it was made, and what it refers to: what the library cannot know, or makes up."""
        for element in self.source.identity:
            made.add(element)
        for name in ("SeriesDate", "SeriesTime"):  # a series is of many images, and these are of one
            made.pop(name, None)
        for name in ("InstanceCreation", "Content"):
            setattr(made, f"{name}Date", DA(self.created.date()))
            setattr(made, f"{name}Time", TM(self.created.time()))
        made.walk(self._refer, recursive=True)

    def _refer(self, dataset: Dataset, element: pydicom.DataElement) -> None:
        if element.keyword == "DimensionOrganizationUID":
            element.value = self.uid("dimensions")
        elif element.keyword == "ContributionDateTime":
            element.value = DT(self.created)
        elif element.keyword == "ReferencedSOPInstanceUID" and element.value == self.source.header.SOPInstanceUID:
            dataset.ReferencedSOPClassUID = self.source.sop_class
        elif element.keyword == "SourceImageSequence" and self.source.frame is not None:
            for each in element.value:
                each.ReferencedFrameNumber = self.source.frame


def _written(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


@contextmanager
def making(name: str) -> Iterator[None]:
    """What the libraries raise in the block becomes an error of ours, without a word of theirs: it may hold the values.

    Args:
        name: of the file.

    Raises:
        EvidenceFailed
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PlatformError:
        raise
    except GIVES_UP as error:
        raise EvidenceFailed(name) from error
