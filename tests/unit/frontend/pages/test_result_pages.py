from dataclasses import replace

import pytest

from frontend.pages.result_pages import card_of
from oncoserve.inference.backend import TensorSpec
from oncoserve.prediction.catalogue import Catalogue
from testbed.fakes import FP32, FakeBackend, card, classifier, write_card

RESULT = {"model": "tiny", "version": "1", "task": "classification", "probabilities": {"class0": 0.7, "class1": 0.3}}
READING = {"nothing": "class1", "least_certainty": 0.3, "method": "m", "caption": "c", "figures": "f"}
HEAT = TensorSpec("heatmap", FP32, (4, 4)), TensorSpec("boxes", FP32, (4, 4, 4))


@pytest.mark.parametrize(
    ("result", "served", "classes", "task", "known"),
    [
        (RESULT, ("1", "2"), 2, "classification", True),
        (RESULT, ("2",), 2, "classification", True),
        (RESULT, ("2",), 3, "classification", False),
        (RESULT, ("2",), 2, "localisation", False),
        (RESULT | {"model": "gone"}, ("2",), 2, "classification", False),
    ],
    ids=["own", "newest", "other classes", "other task", "gone"],
)
async def test_a_report_has_the_card_by_which_the_result_is_drawn_or_none(
    tmp_path, result, served, classes, task, known
):
    """Else it offers files that are 404."""
    plain = classifier(classes=classes)
    backend = FakeBackend(replace(plain, outputs=(*plain.outputs, *HEAT)))
    backend.versions = served
    reading = {"localisation": READING} if task == "localisation" else {}
    write_card(tmp_path, card(classes=classes, task=task, **reading))
    catalogue = Catalogue(backend, tmp_path)
    assert (await catalogue.refresh()).problems == {}
    assert (card_of(result, catalogue) is not None) is known
