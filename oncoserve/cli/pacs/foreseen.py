"""Which UIDs the outputs of an image will have: so the PACS itself says which images are done."""

from typing import Any, Final

from oncoserve.cli.client.service_client import Document
from oncoserve.results.evidence.output_uids import Asked

FRAME: Final = "frame"

Made = tuple[str, str, str | None]
"""What answers: the model's name, its version and its sha256."""


class Foreseen:
    """The UIDs of one model's outputs.

    A service that derives UIDs in another way does no harm: then nothing is found done, every image is asked about, and
    what is stored already is still not stored again.

    Args:
        kind: of the output that is stored last, so that the others are there where it is.
        made: what answers; None where that is not known before the first result.
    """

    def __init__(self, kind: str, made: Made | None) -> None:
        self._kind, self.made = kind, made
        self._parameters: dict[str, Any] | None = None  # as results state them, with defaults, without the frame

    def learn(self, document: Document) -> None:
        """Learn from a result.

        Args:
            document: as the service gives it.
        """
        said = document["provenance"]
        self._parameters = {name: value for name, value in said["parameters"].items() if name != FRAME}
        self.made = said["model"], said["version"], said["model_sha256"]

    def is_done(self, instance: str, frame: int | None, present: set[str]) -> bool:
        """Whether the PACS has all outputs of a frame.

        Args:
            instance: the source's SOPInstanceUID.
            frame: from 1 on; None of an image that has no frames.
            present: SOPInstanceUIDs of what is in its study.
        """
        if self.made is None or self._parameters is None:
            return False
        number = frame or 1
        # The first frame is that which is looked at where nobody names one.
        ways = (self._parameters, self._parameters | {FRAME: number})
        return any(Asked(instance, number, *self.made, way, {}).uid(self._kind) in present for way in ways)
