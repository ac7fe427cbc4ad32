import asyncio
import hashlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest

from oncoserve.errors import InferenceFailed, InferenceUnavailable, ModelNotFound, ModelNotReady, VersionNotFound
from oncoserve.inference.backend import TensorSpec
from oncoserve.prediction.catalogue import Catalogue
from testbed.fakes import FP32, FakeBackend, card, classifier, write_card

READING = {"nothing": "class2", "least_certainty": 0.3, "method": "m", "caption": "c", "figures": "f"}

OUTLINING = {"least_mask": 0.4, "least_seen": 0.3, "least_probability": 0.6, "most_strangeness": 2.0, "coverage": 0.9}
OUTLINING |= {"method": "m", "caption": "c", "figures": "f"}
RESEMBLANCE = {"most_strangeness": 1.0, "coverage": 0.98, "method": "m", "figures": "f"}


async def look(tmp_path, *configurations, cards=None):
    for each in cards or [card()]:
        write_card(tmp_path, each)
    backend = FakeBackend(*configurations)
    catalogue = Catalogue(backend, tmp_path)
    await catalogue.refresh()
    return backend, catalogue


async def test_card_and_configuration_agree(tmp_path):
    _, catalogue = await look(tmp_path)
    assert catalogue.snapshot.ready
    assert catalogue.get("tiny").version == "1"
    with pytest.raises(ModelNotFound, match="served are: tiny"):
        catalogue.get("other")


@pytest.mark.parametrize(
    ("configuration", "made", "reason"),
    [
        (
            classifier(classes=4),
            card(),
            r"expected output probabilities float32 \[3\].*got probabilities float32 \[4\]",
        ),
        (classifier(saliency=(2, 2)), card(), "expected no output named saliency"),
        (classifier(), card(saliency=True), "expected an output named saliency"),
        (classifier(max_batch_size=0), card(), "expected max_batch_size of at least 1, got 0"),
        (classifier(size=(-1, 8)), card(), r"expected one input of uint8 \[H, W, 3\], got image uint8 \[-1, 8, 3\]"),
        (classifier(), card(task="divination"), "expected a task that this version knows, got 'divination'"),
    ],
)
async def test_a_mismatch_is_not_ready_and_says_what_was_expected(tmp_path, configuration, made, reason):
    _, catalogue = await look(tmp_path, configuration, cards=[made])
    assert not catalogue.snapshot.ready
    with pytest.raises(ModelNotReady, match=reason):
        catalogue.get("tiny")


async def test_float_input_is_a_mismatch(tmp_path):
    wrong = classifier()
    object.__setattr__(wrong, "inputs", (TensorSpec("image", np.dtype(np.float32), (8, 8, 3)),))
    _, catalogue = await look(tmp_path, wrong)
    assert "got image float32" in catalogue.snapshot.problems["tiny"]


async def test_zero_models_is_not_ready(tmp_path):
    catalogue = Catalogue(FakeBackend(), tmp_path)
    catalogue._backend.configurations.clear()
    snapshot = await catalogue.refresh()
    assert not snapshot.ready
    assert "at least one model" in snapshot.problems["inference_server"]


async def test_card_without_model_and_model_without_card(tmp_path):
    _, catalogue = await look(tmp_path, classifier("served"), cards=[card("described")])
    assert "has not loaded it" in catalogue.snapshot.problems["described"]
    assert "expected a card.json" in catalogue.snapshot.problems["served"]


async def test_one_model_that_fails_to_load_leaves_the_other(tmp_path):
    backend, catalogue = await look(tmp_path, classifier("a"), classifier("b"), cards=[card("a"), card("b")])
    backend.loaded.remove("b")
    snapshot = await catalogue.refresh()
    assert (snapshot.ready, list(snapshot.models)) == (False, ["a"])
    assert "not loaded" in snapshot.problems["b"]


async def test_versions_stand_side_by_side_and_the_newest_answers(tmp_path):
    backend, catalogue = await look(tmp_path)
    backend.versions = ("2", "10")
    await catalogue.refresh()
    assert list(catalogue.snapshot.versions["tiny"]) == ["2", "10"]
    assert [catalogue.get("tiny", each).version for each in ("2", "10", None)] == ["2", "10", "10"]
    with pytest.raises(VersionNotFound, match="no version '1' of 'tiny'; served are: 2, 10"):
        catalogue.get("tiny", "1")
    with pytest.raises(ModelNotFound):
        catalogue.get("other", "2")


async def test_a_version_that_took_anothers_place_is_found_by_one_look_for_all_who_ask(tmp_path):
    backend, catalogue = await look(tmp_path)
    first = catalogue.get("tiny")
    looks, models = [], backend.models

    async def counted():
        looks.append(1)
        return await models()

    backend.models = counted
    assert await catalogue.successor(first) is None  # it is still there
    backend.versions = ("2",)
    looks.clear()
    found = await asyncio.gather(*(catalogue.successor(first) for _ in range(32)))
    assert {each.version for each in found} == {"2"}
    assert len(looks) == 1
    backend.loaded.clear()
    assert await catalogue.successor(found[0]) is None


async def test_a_version_that_answers_another_kind_of_question_takes_no_place(tmp_path):
    backend, catalogue = await look(tmp_path)
    first = catalogue.get("tiny")
    found = replace(first, task=object())
    backend.versions = ("2",)
    assert await catalogue.successor(found) is None


async def test_versions_have_cards_and_outputs_of_their_own(tmp_path):
    both = classifier(saliency=(2, 2), classes=-1)
    backend, catalogue = await look(tmp_path, both, cards=[card(saliency=True)])
    backend.versions = ("1", "2")
    older = {"task": "localisation", "saliency": None, "localisation": READING, "title": "Older"}
    (tmp_path / "tiny/1/card.json").write_text(json.dumps(older))
    heat = TensorSpec("heatmap", np.dtype(np.float32), (4, 4)), TensorSpec("boxes", np.dtype(np.float32), (4, 4, 4))
    backend.configurations["tiny"] = replace(both, outputs=(*both.outputs, *heat))
    assert (await catalogue.refresh()).problems == {}
    found = {version: catalogue.get("tiny", version) for version in ("1", "2")}
    assert {version: (each.task.kind, each.card.title) for version, each in found.items()} == {
        "1": ("localisation", "Older"), "2": ("classification", "Tiny"),
    }  # fmt: skip
    outputs = {version: [spec.name for spec in each.configuration.outputs] for version, each in found.items()}
    assert outputs == {"1": ["probabilities", "heatmap", "boxes"], "2": ["probabilities", "saliency"]}
    (tmp_path / "tiny/1/card.json").write_text(json.dumps({"task": "localisation"}))
    assert "expected localisation, got none" in (await catalogue.refresh()).problems["tiny"]


async def test_what_one_version_has_and_another_lacks_is_no_mistake_where_the_configuration_says_so(tmp_path):
    outputs = TensorSpec("mask", FP32, (4, 4)), TensorSpec("strangeness", FP32, (1,))
    plain = classifier(saliency=(2, 2))
    all_outputs = replace(plain, outputs=(*plain.outputs, *outputs))
    newest = card(task="delineation", delineation=OUTLINING)
    backend, catalogue = await look(tmp_path, all_outputs, cards=[newest])
    backend.versions = ("1", "2")
    older = {"task": "classification", "delineation": None}
    (tmp_path / "tiny/1/card.json").write_text(json.dumps(older))
    assert "expected no output named saliency" in (await catalogue.refresh()).problems["tiny"]
    backend.configurations["tiny"] = replace(all_outputs, versions_differ=True)
    assert (await catalogue.refresh()).problems == {}
    asked = {
        each: [spec.name for spec in catalogue.get("tiny", each).configuration.outputs] for each in backend.versions
    }
    assert asked == {"1": ["probabilities"], "2": ["probabilities", "mask", "strangeness"]}
    # What its card names has to be there all the same.
    backend.configurations["tiny"] = replace(plain, versions_differ=True)
    assert "expected output mask" in (await catalogue.refresh()).problems["tiny"]


@pytest.mark.parametrize(
    ("task", "part", "content"),
    [
        ("classification", "delineation", OUTLINING),
        ("localisation", "resemblance", RESEMBLANCE),
        ("delineation", "resemblance", RESEMBLANCE),
        ("segmentation", "saliency", True),
    ],
)
async def test_a_model_with_a_part_of_a_card_that_its_task_does_not_read_is_not_ready(tmp_path, task, part, content):
    """Its limits would be taken for limits that are applied."""
    _, catalogue = await look(tmp_path, cards=[card(task=task, **{part: content})])
    assert f"card.json: expected no {part}, which the task {task} does not read" in catalogue.snapshot.problems["tiny"]


async def test_server_away_and_back(tmp_path):
    backend, catalogue = await look(tmp_path)
    backend.reachable = False
    assert not (await catalogue.refresh()).ready
    assert catalogue.get("tiny").name == "tiny"  # known still; asking it gives the error of the server that is away
    backend.reachable = True
    assert (await catalogue.refresh()).ready


async def test_a_server_that_goes_away_between_two_questions_is_away_and_its_models_stay_known(tmp_path):
    """Else stored answers, which need no server, would be refused until it is back."""
    backend, catalogue = await look(tmp_path)
    listed = backend.models

    async def models():
        states = await listed()
        backend.reachable = False
        return states

    backend.models = models
    assert (await catalogue.refresh()).problems.keys() == {"inference_server"}
    assert catalogue.get("tiny").name == "tiny"
    backend.models, backend.reachable = listed, True
    assert (await catalogue.refresh()).ready


async def test_nothing_looks_on_after_a_look_that_has_ended(tmp_path):
    """It would keep what it finds beside the next look, or after the end."""
    backend, catalogue = await look(tmp_path, classifier("a"), classifier("b"), cards=[card("a"), card("b")])
    configuration, begun, ended = backend.configuration, asyncio.Event(), []

    async def asked(name, version):
        if name == "a":
            await begun.wait()
            raise InferenceUnavailable
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(name)
        return await configuration(name, version)

    backend.configuration = asked
    assert (await catalogue.refresh()).problems.keys() == {"inference_server"}
    assert ended == ["b"]


async def test_a_model_that_does_not_answer_leaves_the_other(tmp_path):
    backend, catalogue = await look(tmp_path, classifier("a"), classifier("b"), cards=[card("a"), card("b")])
    assert catalogue.answers("a")
    backend.sick["a"] = ModelNotReady("a", "its process has ended")
    assert await catalogue.ask("b", full=False)
    assert not await catalogue.ask("c", full=False)
    assert not await catalogue.ask("a", full=False)
    with pytest.raises(ModelNotReady, match="its process has ended"):
        catalogue.get("a")  # at once, before the next look
    assert catalogue.snapshot.ready
    assert (catalogue.answers("a"), catalogue.answers("b")) == (False, True)
    snapshot = await catalogue.refresh()
    assert (snapshot.ready, list(snapshot.models), dict(snapshot.problems)) == (
        False, ["b"], {"a": "its process has ended"},
    )  # fmt: skip
    backend.sick.clear()
    async with asyncio.timeout(60):
        while not (await catalogue.refresh()).ready:
            await asyncio.sleep(0.05)
    assert catalogue.get("a").name == "a"


async def test_one_version_that_does_not_answer_is_the_models_problem(tmp_path):
    backend, catalogue = await look(tmp_path)
    backend.versions = ("1", "2")
    canary = backend.canary

    async def first_alone(model, inputs, **given):
        if model.version == "2":
            raise InferenceFailed("tiny")
        return await canary(model, inputs, **given)

    backend.canary = first_alone
    assert "fails on a picture of noise" in (await catalogue.refresh()).problems["tiny"]


async def test_classes_in_another_order_than_the_labels_are_not_ready(tmp_path):
    write_card(tmp_path, card())
    (tmp_path / "tiny/labels.txt").write_text("class0\nclass2\nclass1\n")
    catalogue = Catalogue(FakeBackend(), tmp_path)
    snapshot = await catalogue.refresh()
    assert snapshot.problems == {"tiny": "card.json: expected class 2 to be class2 as in labels.txt, got class1"}


async def test_a_graph_that_changes_is_stated_and_one_that_its_record_does_not_know_is_not_ready(tmp_path):
    _, catalogue = await look(tmp_path)
    first = catalogue.get("tiny")
    assert first.model_sha256 == hashlib.sha256(b"tiny").hexdigest()
    await catalogue.refresh()
    assert catalogue.get("tiny") is first
    (tmp_path / "tiny/1/model.onnx").write_bytes(b"another")
    await catalogue.refresh()
    assert catalogue.get("tiny").model_sha256 == hashlib.sha256(b"another").hexdigest()
    files = {"model.onnx": {"sha256": first.model_sha256, "precision": "FP32"}}
    (tmp_path / "tiny/1/export.json").write_text(json.dumps({"files": files}))
    assert "expected the graph that export.json records" in (await catalogue.refresh()).problems["tiny"]


async def test_server_never_seen(tmp_path):
    backend = FakeBackend()
    backend.reachable = False
    catalogue = Catalogue(backend, tmp_path)
    await catalogue.refresh()
    with pytest.raises(InferenceUnavailable):
        catalogue.get("tiny")


async def test_watching_notices_without_being_asked(tmp_path):
    write_card(tmp_path, card())
    backend = FakeBackend()
    backend.reachable = False
    catalogue = Catalogue(backend, tmp_path)
    async with catalogue.watch(0.01):
        assert not catalogue.snapshot.ready
        backend.reachable = True
        async with asyncio.timeout(60):
            while not catalogue.snapshot.ready:
                await asyncio.sleep(0.01)


async def test_a_defect_while_looking_does_not_end_the_watch(tmp_path, caplog):
    write_card(tmp_path, card())
    backend = FakeBackend()
    catalogue = Catalogue(backend, tmp_path)
    async with catalogue.watch(0.01):
        models, backend.models = backend.models, None
        async with asyncio.timeout(60):
            while "looking at the models failed" not in caplog.text:
                await asyncio.sleep(0.01)
        backend.models = models
        backend.loaded.clear()
        async with asyncio.timeout(60):
            while catalogue.snapshot.ready:
                await asyncio.sleep(0.01)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("file", ["card.json", "1/card.json", "1/export.json"])
@pytest.mark.parametrize("write", [os.mkfifo, lambda path: path.write_text("[" * 100_000)], ids=["pipe", "nested"])
async def test_a_folder_that_nobody_could_read_leaves_the_others(tmp_path, file, write):
    """A look that waits for ever, or fails, is one for all models."""
    write_card(tmp_path, card("other"))
    path = tmp_path / "other" / file
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    write(path)
    _, catalogue = await look(tmp_path, classifier(), classifier("other"), cards=[card()])
    assert catalogue.get("tiny").version == "1"


async def test_a_folder_named_as_the_server_takes_nothing_away(tmp_path):
    _, catalogue = await look(tmp_path)
    write_card(tmp_path, card("inference_server"))
    snapshot = await catalogue.refresh()
    assert snapshot.ready
    assert list(snapshot.problems) == ["inference_server/"]
    assert "expected another name" in snapshot.problems["inference_server/"]
