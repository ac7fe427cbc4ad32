"""GeoJSON features as QuPath reads them; what its reader keeps: docs/qupath.md."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from oncoserve.pictures.decode import rgb_of
from oncoserve.tasks.base import RenderingOptions, Stored
from oncoserve.tasks.card import ModelClass

ObjectType = Literal["annotation", "detection"]

_OURS: Final = uuid.UUID("5d1a7e37-90b7-4649-9060-ecec49547965")
"""Namespace of the ids of objects; made once, at random."""


@dataclass(frozen=True)
class Classification:
    """How a class is called and drawn in QuPath, and what the names of its objects begin with."""

    name: str
    colour: tuple[int, int, int]
    key: str

    @classmethod
    def of(cls, each: ModelClass) -> "Classification":
        """As the card has it."""
        return cls(each.title, rgb_of(each.colour), each.name)

    @property
    def properties(self) -> dict[str, Any]:
        """As QuPath writes and reads it."""
        return {"name": self.name, "color": list(self.colour)}


IGNORED: Final = Classification("Ignore*", (180, 180, 180), "ignore")
"""QuPath counts no class whose name ends in an asterisk; this is the one that it offers itself, in its own grey."""


def object_uuid(result: str, view: str, name: str) -> str:
    """The same id for the same object of the same result, whenever and in whichever frame it is written.

    Args:
        result: the result's id.
        view: the parameters that it is read with, as JSON: another threshold has other objects.
        name: the object's, in this view.
    """
    return str(uuid.uuid5(_OURS, f"{result} {view} {name}"))


def feature(
    identity: str,
    geometry: Mapping[str, Any],
    name: str,
    classification: Classification,
    measurements: Mapping[str, float],
    kind: ObjectType = "annotation",
) -> dict[str, Any]:
    """One object.

    Args:
        identity: see `object_uuid`.
        geometry: of GeoJSON, in pixels.
        name: QuPath shows it beside the object.
        classification: its class.
        measurements: numbers by what they are of; shown as ours, beside those that QuPath computes itself.
        kind: QuPath's type of objects.
    """
    return {
        "type": "Feature",
        "id": identity,
        "geometry": geometry,
        "properties": {
            "objectType": kind,
            "name": name,
            "classification": classification.properties,
            "measurements": {f"Oncoserve: {what}": number for what, number in measurements.items()},
        },
    }


def members(stored: Stored, options: RenderingOptions, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """What a collection says of itself (RFC 7946, section 6.1): what it was made from and with, and in which frame."""
    width, height = options.place(stored.document["image"]).size
    drawn_with = {**options.model_dump(mode="json"), **more}
    return {
        "frame": {"name": options.frame, "width": width, "height": height},
        "provenance": {**stored.document["provenance"], "drawn_with": drawn_with},
    }
