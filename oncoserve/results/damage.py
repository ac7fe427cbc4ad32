"""Tells of stored files that are damaged: once each, however often they are met."""

import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

REMEMBERED: Final = 10_000

log = logging.getLogger(__name__)


class Damage:
    """What one process knows of damaged files.

    Args:
        count: called for each of them.
    """

    def __init__(self, count: Callable[[], object] = lambda: None) -> None:
        self._count = count
        self._told: OrderedDict[tuple[Path, int, int], None] = OrderedDict()

    def tell(self, path: Path, status: os.stat_result) -> None:
        """Log and count this file as it is, unless that was done before."""
        version = (path, status.st_ino, status.st_mtime_ns)
        if version in self._told:
            return
        self._told[version] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        self._count()
        log.error("a stored file is damaged and counts as absent", extra={"file": path.name, "bytes": status.st_size})
