"""Which model the next request is for: those that answer quickly are asked more often."""

import random
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from loadtest.shared.answer_checks import Model

# A tile of he_tissue takes a second on a CPU.
WEIGHTS: Final = MappingProxyType({"classification": 19, "localisation": 19, "delineation": 19, "segmentation": 1})
"""How often a model is asked, by its task; a task that is not named has the smallest weight."""


def choose(models: Sequence[Model], chance: random.Random) -> Model:
    """Draw one of the models."""
    least = min(WEIGHTS.values())
    (model,) = chance.choices(models, [WEIGHTS.get(each.task, least) for each in models])
    return model
