"""A Storage SCP: a modality or a PACS sends images by C-STORE, and hears of success when they are safe on disk."""

import threading
from collections.abc import Sequence
from typing import Any, Final

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event

from oncoserve.cli.client.client_errors import UsageError
from oncoserve.cli.pacs.image_classes import IMAGES
from oncoserve.cli.pacs.spool import Batch, Spool, SpoolFull
from oncoserve.pictures.dicom.transfer_syntaxes import READ

ECHO: Final = "1.2.840.10008.1.1"
SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700
IDLE_S: Final = 60
"""Of an association on which nothing comes, after which it is ended."""
LARGEST_PDU: Final = 1 << 18


class StorageListener:
    """Listens; a context manager.

    Args:
        spool: keeps what comes in.
        address: host and port.
        title: our AE title.
        callers: AE titles that may send; anybody where there are none.
        most_at_once: associations.
        most_bytes: of an instance.
    """

    def __init__(
        self,
        spool: Spool,
        address: tuple[str, int],
        title: str,
        callers: Sequence[str],
        most_at_once: int,
        most_bytes: int,
    ) -> None:
        self._spool, self._address, self._most_bytes = spool, address, most_bytes
        self._changing = threading.Lock()
        self._batches: dict[Association, Batch] = {}
        self._coming: dict[Association, int] = {}  # bytes of the instance that is on its way
        self.received = self.turned_away = 0
        self._entity = entity = AE(title)
        entity.maximum_associations = most_at_once
        entity.maximum_pdu_size = LARGEST_PDU
        entity.network_timeout = entity.dimse_timeout = entity.acse_timeout = IDLE_S
        entity.require_called_aet = True
        entity.require_calling_aet = list(callers)
        entity.add_supported_context(ECHO)
        for image in sorted(IMAGES):
            entity.add_supported_context(image, sorted(READ))

    def __enter__(self) -> "StorageListener":
        handlers: list[Any] = [
            (evt.EVT_ESTABLISHED, self._begin),
            (evt.EVT_C_STORE, self._take),
            (evt.EVT_PDU_RECV, self._count),
            *((each, self._end) for each in (evt.EVT_RELEASED, evt.EVT_ABORTED, evt.EVT_CONN_CLOSE)),
        ]
        try:
            self._entity.start_server(self._address, block=False, evt_handlers=handlers)
        except OSError as error:
            raise UsageError(
                f"Port {self._address[1]} of {self._address[0]} cannot be had: {error.strerror}."
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._entity.shutdown()

    def _begin(self, event: Event) -> None:
        with self._changing:
            self._batches[event.assoc] = self._spool.begin()

    def _end(self, event: Event) -> None:
        with self._changing:
            batch = self._batches.pop(event.assoc, None)
            self._coming.pop(event.assoc, None)
        if batch is not None:
            batch.seal()

    def _count(self, event: Event) -> None:
        """End an association that sends more than an instance may have, before it fills the memory."""
        with self._changing:
            if event.assoc not in self._batches:
                return
            self._coming[event.assoc] = coming = self._coming.get(event.assoc, 0) + len(event.pdu)
        if coming > self._most_bytes:
            self.turned_away += 1
            event.assoc.abort()

    def _take(self, event: Event) -> int:
        with self._changing:
            batch = self._batches.get(event.assoc)
            self._coming.pop(event.assoc, None)
        if batch is None:
            return OUT_OF_RESOURCES
        try:
            batch.add(event.encoded_dataset())
        except (SpoolFull, OSError):
            self.turned_away += 1
            return OUT_OF_RESOURCES
        self.received += 1
        return SUCCESS
