"""Tells of stored files that are damaged: once each, however often they are met."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
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
        self._told: OrderedDict[Hashable, None] = OrderedDict()

    def tell(self, name: str, size_bytes: int, version: Hashable) -> None:
        """Log and count a file, unless that was done before for this version of it."""
        if version in self._told:
            return
        self._told[version] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        self._count()
        log.error("a stored file is damaged and counts as absent", extra={"file": name, "bytes": size_bytes})
