"""All that is done to a view of a slice, in the order in which it happens to pictures."""

from collections.abc import Callable
from typing import Final, NamedTuple

from torch import Tensor

from training.augmentation import artefacts, places, tone
from training.augmentation.chance import Chance
from training.augmentation.stripping import strip


class Step(NamedTuple):
    """One kind of change, and how often it happens."""

    name: str
    probability: float
    change: Callable[[Tensor, Chance], Tensor]


STEPS: Final = (
    Step("stripping", 0.15, strip),
    Step("shading", 0.4, tone.shading),
    Step("curve", 0.8, tone.curve),
    Step("sharpness", 0.6, artefacts.sharpness),
    Step("floor", 0.5, tone.floor),
    Step("window", 0.2, tone.window),
    Step("noise", 0.5, artefacts.noise),
    Step("jpeg", 0.5, artefacts.jpeg),
    Step("border", 0.3, artefacts.border),
)
VIEWS: Final = ("turns", "wide", "crops")
KINDS: Final = (*VIEWS, *(step.name for step in STEPS))
"""What can be held back by its name."""


class Chain:
    """Changes views.

    Args:
        chance: decides.
        leave_out: names of KINDS that never happen.

    Raises:
        ValueError: a name is none of KINDS.
    """

    def __init__(self, chance: Chance, leave_out: tuple[str, ...] = ()) -> None:
        if unknown := set(leave_out) - set(KINDS):
            raise ValueError(f"no such augmentation: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
        self._chance = chance
        self._steps = [step for step in STEPS if step.name not in leave_out]
        self._views = places.Views(**{name: 0.0 for name in VIEWS if name in leave_out})

    def __call__(self, pictures: Tensor, masks: Tensor, heads: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """(N, 1, side, side) pictures, 0 to 255, and masks, 0 to 1, of (N, 1, S', S') ones."""
        placement = places.draw(heads, self._chance, self._views)
        viewed, own = places.cut(pictures, placement, side), places.cut(masks, placement, side)
        for step in self._steps:
            viewed = self._chance.change(viewed, step.probability, step.change)
        return viewed, own
