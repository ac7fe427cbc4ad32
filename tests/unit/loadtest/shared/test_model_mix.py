import random
from collections import Counter

from loadtest.shared.answer_checks import Model
from loadtest.shared.model_mix import choose


def model(task):
    return Model(task, task, frozenset(), (), ())


def test_models_that_answer_quickly_are_asked_more_often():
    """A task that the mix does not know is asked as seldom as the slowest."""
    models = [model("classification"), model("segmentation"), model("another")]
    chance = random.Random(0)  # noqa: S311 - reproducible
    drawn = Counter(choose(models, chance).task for _ in range(2100))
    assert drawn["classification"] > 8 * max(drawn["segmentation"], drawn["another"])
    assert min(drawn["segmentation"], drawn["another"]) > 50
