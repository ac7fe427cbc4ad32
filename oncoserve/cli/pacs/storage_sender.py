"""Sending by C-STORE: outputs go to a PACS that has no DICOMweb."""

import io
import re
from dataclasses import dataclass
from typing import Final

import pydicom
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE

from oncoserve.cli.client.client_errors import Unreachable
from oncoserve.cli.pacs.dicomweb_archive import DUPLICATE, ArchiveRefused

PEER: Final = re.compile(r"([^@\\]{1,16})@(\[[^]]+\]|[^:@\s]+):([0-9]{1,5})")
PLAIN: Final = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
WARNINGS: Final = range(0xB000, 0xC000)
"""Statuses of what was stored all the same."""


@dataclass(frozen=True)
class Peer:
    """Who gets what comes out.

    Attributes:
        title: its AE title.
        host, port: where it listens.
    """

    title: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Peer":
        """Of AET@host:port.

        Raises:
            ValueError: it is no such thing.
        """
        found = PEER.fullmatch(text)
        if found is None:
            raise ValueError(text)
        return cls(found[1].strip(), found[2].strip("[]"), int(found[3]))


class StorageSender:
    """Sends.

    Args:
        peer: to whom.
        title: our AE title.
        patience_s: for each step.
    """

    def __init__(self, peer: Peer, title: str, patience_s: float) -> None:
        self._peer = peer
        self._entity = entity = AE(title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = patience_s

    def close(self) -> None:
        """End what is open."""
        self._entity.shutdown()

    def store(self, file: bytes) -> None:
        """Send an object; one that is there already stays as it is.

        Args:
            file: of PS3.10.

        Raises:
            ArchiveRefused: it did not take it.
            Unreachable: there is no association.
        """
        dataset = pydicom.dcmread(io.BytesIO(file))
        syntax = dataset.file_meta.TransferSyntaxUID
        peer = self._peer
        context = AE()
        context.add_requested_context(dataset.SOPClassUID, list(PLAIN) if syntax in PLAIN else [syntax])
        association = self._entity.associate(
            peer.host, peer.port, contexts=context.requested_contexts, ae_title=peer.title
        )
        if not association.is_established:
            refused = association.is_rejected
            raise Unreachable(
                f"{peer.title} at {peer.host}:{peer.port} {'rejects us' if refused else 'does not answer'}."
            )
        try:
            status = association.send_c_store(dataset).get("Status")
        except ValueError as error:  # no context for it was accepted
            raise ArchiveRefused("store an instance", "it takes no objects of this class") from error
        finally:
            association.release()
        if status is None:
            raise Unreachable(f"{peer.title} at {peer.host}:{peer.port} gave no answer.")
        if status not in {0, DUPLICATE} and status not in WARNINGS:
            raise ArchiveRefused("store an instance", f"status {status:04X}H")
