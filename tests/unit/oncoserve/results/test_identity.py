from dataclasses import replace

from oncoserve.results import identity
from oncoserve.results.identity import result_id
from oncoserve.tasks import TASKS
from oncoserve.tasks.base import ServedModel
from oncoserve.tasks.delineation import Delineation
from oncoserve.tasks.segmentation import SegmentationParameters
from testbed.fakes import card, classifier

PLAIN = SegmentationParameters()


def test_it_names_the_whole_question(monkeypatch):
    model = ServedModel(card(), classifier(), "bb", TASKS[0])
    other_version = replace(model, configuration=replace(model.configuration, version="2"))
    ids = [
        result_id("aa", model, PLAIN),
        result_id("ab", model, PLAIN),
        result_id("aa", replace(model, card=card("x")), PLAIN),
        result_id("aa", other_version, PLAIN),
        result_id("aa", replace(model, model_sha256=None), PLAIN),
        result_id("aa", model, SegmentationParameters(um_per_px=0.5)),
        result_id("aa", model, SegmentationParameters(tta=True)),
    ]
    reading = {"least_mask": 0.5, "least_seen": 0.5, "least_probability": 0.5, "most_strangeness": 3, "coverage": 0.9,
               "method": "m", "caption": "c", "figures": "f"}  # fmt: skip
    limited = [
        replace(model, task=Delineation(), card=card(delineation=reading | {name: 0.25}))
        for name in ("coverage", "least_mask", "least_seen", "least_probability", "most_strangeness")
    ]
    resemblance = {"most_strangeness": 3, "coverage": 0.9, "method": "m", "figures": "f"}
    limited += [replace(model, card=card(resemblance=resemblance | {"most_strangeness": most})) for most in (3, 4)]
    ids += [result_id("aa", each, PLAIN) for each in limited]
    said = replace(limited[0], card=card(delineation=reading | {"caption": "in other words"}))
    assert result_id("aa", said, PLAIN) == result_id("aa", limited[0], PLAIN)
    assert result_id("aa", model, SegmentationParameters(um_per_px=None, tta=False)) == ids[0]
    monkeypatch.setattr(identity, "READING_RULES", identity.READING_RULES + 1)
    assert len({*ids, result_id("aa", model, PLAIN)}) == len(ids) + 1
