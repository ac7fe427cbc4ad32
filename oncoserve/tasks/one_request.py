"""What is the same for every task that asks a model about the whole picture at once."""

from collections.abc import Mapping
from typing import Any, ClassVar

from oncoserve.pictures.picture import Header
from oncoserve.tasks.base import Demand, Rendering, ServedModel, Stored
from oncoserve.tasks.card import Card
from oncoserve.tasks.parameters import Parameters
from oncoserve.tasks.undetermined import reason


class OneRequest:
    """The part of a `Task` that is the same wherever a picture is one request, at the model's size.

    Such a result reads the same whenever it is read.
    """

    view: ClassVar[type[Parameters]] = Parameters
    all_renderings: ClassVar[tuple[Rendering, ...]]
    quick: ClassVar[bool] = False
    located: ClassVar[tuple[str, ...]] = ()
    """Numbers of the document's `localisation` that belong to the finding."""

    def limits(self, card: Card) -> Mapping[str, float]:
        """None."""
        del card
        return {}

    def demand(self, header: Header, model: ServedModel, parameters: Parameters) -> Demand:
        """One request, at the model's size."""
        del header, model, parameters
        return Demand()

    def drawing_bytes(self, model: ServedModel, document: Mapping[str, Any], *, text: bool) -> int:
        """Next to nothing."""
        del model, document, text
        return 0

    def renderings(self, card: Card) -> tuple[Rendering, ...]:
        """All of them."""
        del card
        return self.all_renderings

    def settled(self, view: Parameters, card: Card) -> Parameters:
        """As it is."""
        del card
        return view

    def review(self, stored: Stored, view: Parameters) -> dict[str, Any]:
        """Nothing changes."""
        del stored, view
        return {}

    def finding(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The class and its probability, or why there is none; what was measured of the place."""
        label, place = document.get("label"), document.get("localisation") or {}
        return {
            "label": label,
            "probability": (document.get("probabilities") or {}).get(label),
            "undetermined": reason(document),
            **({"labels": document["labels"]} if "labels" in document else {}),
            **{name: place.get(name) for name in self.located},
        }
