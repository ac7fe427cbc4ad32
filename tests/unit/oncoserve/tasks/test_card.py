import json

import pytest

from oncoserve.prediction.model_files import Cards, read_cards
from testbed.fakes import card, write_card


def broken(tmp_path, **changes):
    made = card()
    write_card(tmp_path, made)
    path = tmp_path / "tiny" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return read_cards(tmp_path)


def test_cards_are_read(tmp_path):
    write_card(tmp_path, card("a"))
    write_card(tmp_path, card("b"))
    cards, problems = read_cards(tmp_path)
    assert cards == {"a": Cards(card("a")), "b": Cards(card("b"))}
    assert problems == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "other"}, "expected name 'tiny', got 'other'"),
        ({"classes": []}, "card.json: classes"),
        ({"licence": "MIT"}, "card.json: licence: Extra inputs are not permitted"),
        ({"schema_version": 2}, "schema_version"),
        ({"origin": None}, "origin"),
    ],
)
def test_bad_cards_are_named_with_the_reason(tmp_path, changes, reason):
    cards, problems = broken(tmp_path, **changes)
    assert cards == {}
    assert reason in problems["tiny"]


def test_folder_without_card_and_text_that_is_no_json(tmp_path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "card.json").write_text("hello")
    _, problems = read_cards(tmp_path)
    assert "expected a readable file" in problems["bare"]
    assert "Invalid JSON" in problems["text"]
    assert "not a folder" in next(iter(read_cards(tmp_path / "missing")[1].values()))


def test_a_version_has_what_is_others_there(tmp_path):
    write_card(tmp_path, card(compare_with="another"))
    (tmp_path / "tiny/1/card.json").write_text(json.dumps({"title": "Older", "compare_with": None}))
    cards, problems = read_cards(tmp_path)
    assert problems == {}
    assert cards["tiny"].newest == cards["tiny"].of("2") == card(compare_with="another")
    assert cards["tiny"].of("1") == card(title="Older")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("hello", "1/card.json: expected the fields that are others than in card.json, got"),
        ("[1]", "1/card.json: expected the fields that are others than in card.json, got"),
        ('{"classes": []}', "1/card.json: classes: List should have at least 1 item"),
        ('{"name": "other"}', "1/card.json: expected name 'tiny', got 'other'"),
    ],
)
def test_a_bad_card_of_a_version_is_named_with_the_reason(tmp_path, content, reason):
    write_card(tmp_path, card())
    (tmp_path / "tiny/1/card.json").write_text(content)
    cards, problems = read_cards(tmp_path)
    assert cards == {}
    assert problems["tiny"].startswith(reason)
