"""A stored result beside the model that made it: what can be made of it, and what that takes in memory."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from oncoserve.errors import CorrectionsNotAvailable, RenderingNotAvailable
from oncoserve.pictures.picture import BYTES_PER_PIXEL, DEEP_BYTES_PER_PIXEL
from oncoserve.results.evidence.evidence_renderings import evidence
from oncoserve.results.result_store import ResultStore
from oncoserve.tasks.base import Rendering, ServedModel, Stored
from oncoserve.tasks.parameters import Parameters

EVIDENCE_BYTES: Final = 16
"""Of a pixel, while a DICOM output is made: the picture, its bytes and the file's, written twice."""
SEGMENT_BYTES: Final = 7
"""And of each class: its mask, and copies of that."""
HEADER_BYTES: Final = 2**21
"""And of its elements, which a report of outlines has most of."""


class Entry:
    """A stored result, the model that made it, and the store that has its files.

    Args:
        document: its JSON document, as it was stored.
        model: whose answer it is.
        results: where its files are.
        file_bytes: of its files.
        notes: reads what was added to it; called from threads.
        fresh: what was stored, where it is in memory still.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        model: ServedModel,
        results: ResultStore,
        file_bytes: int,
        notes: Callable[[], bytes | None] = lambda: None,
        fresh: Stored | None = None,
    ) -> None:
        self.document = document
        self.model = model
        self.results = results
        self.file_bytes = file_bytes
        self.notes = notes
        self.fresh = fresh

    @property
    def files(self) -> Mapping[str, str]:
        """The names of what can be made of it, by kind; of results of older versions what can be of the model's."""
        found: Mapping[str, str] = self.document.get("files", self.model.files)
        return found

    @property
    def pixels(self) -> int:
        """Of the picture, width times height."""
        return int(self.document["image"]["width"] * self.document["image"]["height"])

    def reading_bytes(self, *, text: bool = False) -> int:
        """What work on its files takes in memory, at most; `text`: and to outline what is in them."""
        return self.file_bytes + self.model.task.drawing_bytes(self.model, self.document, text=text)

    def drawing_bytes(self) -> int:
        """What it takes in memory to draw something over its picture, at most."""
        work = self.model.task.drawing_bytes(self.model, self.document, text=False)
        reading = self.document["provenance"].get("reading", {})  # there is none in results of older versions
        decoding = DEEP_BYTES_PER_PIXEL if reading.get("bits") == 16 else BYTES_PER_PIXEL  # noqa: PLR2004
        return self.file_bytes + max(decoding * self.pixels, work)

    def evidence_bytes(self) -> int:
        """What it takes in memory to make a DICOM output of it, at most, beside `drawing_bytes`."""
        return (EVIDENCE_BYTES + SEGMENT_BYTES * len(self.model.card.classes)) * self.pixels + HEADER_BYTES

    def rendering(self, name: str) -> Rendering:
        """The rendering of that file name.

        Raises:
            RenderingNotAvailable: results of this model have none.
        """
        made = self.model.task.renderings(self.model.card)
        for each in (*made, *evidence(self.model.task, made)):
            if each.name == name:
                return each
        raise RenderingNotAvailable(self.model.name, name)

    def objects(self, stored: Stored, view: Parameters) -> frozenset[str]:
        """Ids of the objects that can be excluded in this view.

        Raises:
            CorrectionsNotAvailable: results of this model have none.
        """
        for each in self.model.task.renderings(self.model.card):
            if each.objects is not None:
                return frozenset(each.objects(stored, view))
        raise CorrectionsNotAvailable(self.model.name)
