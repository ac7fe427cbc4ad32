"""One image to the service, and the objects that come out of it to wherever they go."""

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pydicom

from oncoserve.cli.client.client_errors import Refused, Unreachable
from oncoserve.cli.client.picture_files import Upload
from oncoserve.cli.client.service_client import Document, ServiceClient
from oncoserve.cli.pacs.foreseen import Foreseen
from oncoserve.cli.pacs.tally import Tally

KINDS: Final = ("seg", "sc", "sr")
"""As they are stored, one after the other: where the last one is, so are those before it that a result has."""
MEDIA_TYPE: Final = "application/dicom"
NOT_MADE: Final = frozenset({"nothing_to_segment", "rendering_not_available"})
"""Codes of a file that a result does not have: a classification has no mask, and a brain may have no tumour."""
OF_ALL: Final = frozenset({"forbidden", "model_not_found", "not_found", "method_not_allowed", "unauthorised"})
"""Codes of what would be so for every image; an address that is not found is one of a service without such files."""
OF_THIS_ONE: Final = frozenset({502, 504})
"""The model could not compute an answer, or not in time, however often it was asked: others may be fine."""


@dataclass(frozen=True)
class Output:
    """An object for the PACS.

    Attributes:
        kind: one of KINDS.
        uid: its SOPInstanceUID.
        file: of PS3.10.
    """

    kind: str
    uid: str
    file: bytes


class ImageRefused(Exception):
    """The service does not take this image; another may be fine.

    Args:
        code: the problem's.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Carrier:
    """Carries.

    Args:
        service: answers.
        model: is asked.
        parameters: of its task.
        kinds: of KINDS, what is wanted; kept in their order.
    """

    def __init__(self, service: ServiceClient, model: str, parameters: Mapping[str, str], kinds: Sequence[str]) -> None:
        self._service, self._model, self._parameters = service, model, dict(parameters)
        self.kinds = [kind for kind in KINDS if kind in kinds]

    def foresee(self, known: Foreseen) -> Foreseen:
        """The UIDs of what the model's answers will be stored as; also finds out early about a wrong address or key.

        Args:
            known: what was found before; it is kept where the model is the same.

        Raises:
            ClientError
        """
        said = self._service.model(self._model)
        made = said["name"], str(said["version"]), said["model_sha256"]
        if known.made == made:
            return known
        return Foreseen(self.kinds[-1], made)

    def carry(
        self,
        file: bytes,
        deliver: Callable[[Output], bool],
        tally: Tally,
        left_out: Callable[[int | None], bool] = lambda _: False,
    ) -> Document | None:
        """Ask about every frame of an image, and hand over what comes out.

        Args:
            file: of PS3.10.
            deliver: takes an object, and tells whether it was new.
            tally: counts.
            left_out: tells of a frame by its number, None where the image has no frames, whether it is done already.

        Returns:
            The last result's document; None where all frames were left out.

        Raises:
            ImageRefused
            ClientError: nothing can be asked, or the object was not taken.
        """
        document = None
        for frame in _frames(file):
            if left_out(frame):
                continue
            document = self._ask(file, frame)
            tally.asked += 1
            for output in self._outputs(document, tally):
                new = deliver(output)
                tally.stored += new
                tally.there += not new
        return document

    def _ask(self, file: bytes, frame: int | None) -> Document:
        parameters = self._parameters | ({} if frame is None else {"frame": str(frame)})
        try:
            return self._service.predict(self._model, parameters, Upload("image.dcm", file, MEDIA_TYPE))
        except Refused as error:
            wrong_for_all = error.code == "invalid_parameter" and self._parameters
            if error.code in OF_ALL or wrong_for_all or not error.by_service:
                raise
            raise ImageRefused(error.code) from error
        except Unreachable as error:
            if error.status not in OF_THIS_ONE:
                raise
            raise ImageRefused(f"http_{error.status}") from error

    def _outputs(self, document: Document, tally: Tally) -> Iterator[Output]:
        for kind in self.kinds:
            try:
                file = self._service.rendering(document["id"], f"{kind}.dcm", {})
            except Refused as error:
                if error.code in OF_ALL or not error.by_service:
                    raise
                if error.code in NOT_MADE:
                    tally.nothing += 1
                else:
                    tally.refused[error.code] += 1
            else:
                yield Output(kind, str(_read(file, "SOPInstanceUID").SOPInstanceUID), file)


def _frames(file: bytes) -> Sequence[int | None]:
    """The numbers of an image's frames, from 1 on; None for one of a class that has no frames."""
    try:
        count = _read(file, "NumberOfFrames").get("NumberOfFrames")
        return [None] if count is None else range(1, int(count) + 1)
    except Exception:  # noqa: BLE001 - whatever is wrong with the file, the service says it
        return [None]


def _read(file: bytes, keyword: str) -> pydicom.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote what is in the file
        return pydicom.dcmread(io.BytesIO(file), specific_tags=[keyword], stop_before_pixels=True)
