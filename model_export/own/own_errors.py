"""Why somebody's own model cannot be served, in one sentence that says what to do."""

from pathlib import Path
from typing import Final

from model_export.export_errors import ExportError

NO_ROOM: Final = "No space left on device"
"""What Linux says of a full disk, in whatever words of others."""


class OwnModelError(ExportError):
    """The model was not added; nothing of it is left behind."""


def disk_is_full(folder: Path) -> str:
    """A sentence about the disk of a folder."""
    return f"The disk of {folder} is full: make room there, or name another folder with --data"
