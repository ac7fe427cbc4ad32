from dataclasses import asdict

import pytest

from oncoserve.results.comparison import comparable, compare
from testbed.fakes import FakeBackend, card, classifier, write_card
from testbed.in_process import PNG, Service, assert_problem

MINE, OTHER = card("mine", title="Mine"), card("other", title="The other")
WIDER = card("other", 4, title="The other")


def answer(label, probability=0.75):
    return {"id": "a" * 32, "label": label, "probabilities": {"class0": probability, "class1": 1 - probability}}


@pytest.mark.parametrize(
    ("own", "its", "agrees", "message"),
    [
        ("class0", "class0", True, "The other agrees: Class 0, 75.00 %. Both can be wrong."),
        ("class1", "class0", False, "The other disagrees: Class 0, 75.00 %. At least one of the two is wrong."),
        (None, "class0", None, "The other answers: Class 0, 75.00 %."),
        ("class1", None, None, "The other gives no answer for this picture."),
        (None, None, None, "The other gives no answer for this picture."),
    ],
)
def test_two_answers_in_words(own, its, agrees, message):
    found = compare(answer(own), MINE, OTHER, answer(its))
    assert (found.model, found.result, found.label, found.agrees) == ("other", "a" * 32, its, agrees)
    assert found.probability == (None if its is None else 0.75)
    assert found.message == message


def test_a_model_that_was_not_asked():
    found = asdict(compare(answer("class0"), MINE, OTHER, None))
    assert (found.pop("model"), found.pop("message")) == (
        "other", "The other has not been asked about this picture, or only with parameters.",
    )  # fmt: skip
    assert set(found.values()) == {None}


@pytest.mark.parametrize(
    ("own", "its", "cards", "message"),
    [
        ("class0", "class3", (MINE, WIDER), "The other answers: Class 3, 75.00 %. Mine has no class Class 3, so that"),
        ("class3", "class0", (WIDER, MINE), "Mine answers: Class 0, 75.00 %. Mine has no class Class 3, so that"),
    ],
)
def test_a_label_that_the_other_has_no_class_for_is_only_told(own, its, cards, message):
    theirs = {"id": "a" * 32, "label": its, "probabilities": {its: 0.75}}
    found = compare({"label": own}, *cards, theirs)
    assert (found.label, found.probability, found.agrees) == (its, 0.75, None)
    assert found.message.startswith(message)
    same = compare({"label": "class1"}, *cards, {**theirs, "label": "class1", "probabilities": {"class1": 0.5}})
    assert same.agrees is True


def test_a_model_that_does_not_know_says_why():
    silent = {"id": "a" * 32, "label": None, "undetermined": {"text": "It is unlike."}}
    assert compare(answer("class0"), MINE, OTHER, silent).message == "The other names no class: It is unlike."


@pytest.mark.parametrize(("classes", "possible"), [(2, True), (1, False), (4, True)])
def test_two_classes_in_common_are_enough(classes, possible):
    assert comparable({"label": None}, MINE, card("other", classes)) is possible
    assert not comparable({"areas": {}}, MINE, MINE)


@pytest.fixture
async def two(tmp_path):
    """Two models that name each other, and one that names none."""
    service = Service(tmp_path, FakeBackend(classifier(), classifier("other"), classifier("alone")))
    for name, other in (("tiny", "other"), ("other", "tiny")):
        write_card(tmp_path / "models", card(name, compare_with=other, title=f"Model {name}"))
    async with service:
        yield service


async def ask(service, model):
    return (await service.http.post(f"/v1/models/{model}/predict", content=PNG)).json()


async def test_what_is_stored_is_compared_without_asking_a_model(two):
    mine = await ask(two, "tiny")
    address = f"/v1/results/{mine['id']}/comparison"
    assert (await two.http.get(address)).json()["result"] is None
    page = (await two.http.get(f"/results/{mine['id']}")).text
    assert "Model other has not been asked about this picture, or only with parameters." in page
    assert 'href="/?model=other"' in page
    its = await ask(two, "other")
    calls = len(two.backend.calls)
    found = (await two.http.get(address)).json()
    assert (found["model"], found["result"], found["label"]) == ("other", its["id"], its["label"])
    assert found["agrees"] is (its["label"] == mine["label"])
    assert (await two.http.get(f"/v1/results/{its['id']}/comparison")).json()["result"] == mine["id"]
    page = (await two.http.get(f"/results/{mine['id']}")).text
    assert found["message"] in page
    assert f'href="/results/{its["id"]}"' in page
    assert len(two.backend.calls) == calls


async def test_a_model_that_names_no_other_has_no_comparison(two):
    alone = await ask(two, "alone")
    problem = await two.http.get(f"/v1/results/{alone['id']}/comparison")
    assert "comparison" in assert_problem(problem, 404, "rendering_not_available").detail
    assert 'class="comparison' not in (await two.http.get(f"/results/{alone['id']}")).text


async def test_a_page_chooses_the_model_that_its_address_names(two):
    page = (await two.http.get("/?model=other")).text
    (chosen,) = [line for line in page.splitlines() if " checked" in line and 'name="model"' in line]
    assert 'value="other"' in chosen


async def test_the_other_model_need_not_be_served(tmp_path):
    service = Service(tmp_path, FakeBackend(classifier()))
    write_card(tmp_path / "models", card("tiny", compare_with="other"))
    async with service:
        mine = await ask(service, "tiny")
        assert_problem(await service.http.get(f"/v1/results/{mine['id']}/comparison"), 404, "model_not_found")
        page = await service.http.get(f"/results/{mine['id']}")
        assert page.status_code == 200
        assert 'class="comparison' not in page.text


async def test_a_card_that_names_a_model_with_one_class_in_common_has_no_comparison(tmp_path):
    service = Service(tmp_path, FakeBackend(classifier(), classifier("other", classes=1)))
    write_card(tmp_path / "models", card("tiny", compare_with="other"))
    write_card(tmp_path / "models", card("other", classes=1))
    async with service:
        mine = await ask(service, "tiny")
        assert_problem(await service.http.get(f"/v1/results/{mine['id']}/comparison"), 404, "rendering_not_available")
        assert (await service.http.get(f"/results/{mine['id']}")).status_code == 200
