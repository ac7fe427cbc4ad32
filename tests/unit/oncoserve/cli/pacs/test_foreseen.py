import pytest

from oncoserve.cli.pacs.foreseen import Foreseen
from oncoserve.results.evidence.output_uids import Asked


def result(**parameters):
    made = {"model": "m", "version": "2", "model_sha256": "abc", "parameters": parameters}
    return {"provenance": made}


def uid(instance, number, **parameters):
    return str(Asked(instance, number, "m", "2", "abc", parameters, {}).uid("sr"))


def test_nothing_is_done_before_an_answer_was_seen():
    for made in (None, ("m", "2", "abc")):
        assert not Foreseen("sr", made).is_done("1.2", None, {uid("1.2", 1)})


@pytest.mark.parametrize("frame", [None, 3])
def test_an_image_is_done_where_the_last_of_its_outputs_is(frame):
    foreseen = Foreseen("sr", None)
    foreseen.learn(result(threshold=0.5, frame=7))
    parameters = {"threshold": 0.5} | ({} if frame is None else {"frame": frame})
    present = {uid("1.2", frame or 1, **parameters)}
    assert foreseen.is_done("1.2", frame, present)
    assert not foreseen.is_done("1.3", frame, present)
    assert not foreseen.is_done("1.2", 2, present)


def test_another_model_is_another_question():
    foreseen = Foreseen("sr", None)
    document = result()
    document["provenance"]["version"] = "3"
    foreseen.learn(document)
    assert not foreseen.is_done("1.2", None, {uid("1.2", 1)})
