"""The maps of a stored result."""

from typing import Final

from oncoserve.tasks.base import Stored
from oncoserve.tasks.maps.labels import Rule
from oncoserve.tasks.maps.whole_picture import Maps

MAPS_FILE: Final = "maps.npy"


def maps_of(stored: Stored) -> Maps:
    """As they were inferred."""
    image, channels = stored.document["image"], len(Rule.of(stored.card).channels)
    shape = image["height"], image["width"]
    return Maps.from_npy(stored.files[MAPS_FILE], shape, stored.document["um_per_px"], channels)
