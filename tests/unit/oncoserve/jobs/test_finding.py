"""What is kept of a result for lists."""

import pytest

from oncoserve.jobs.finding import MOST_BYTES, kept
from oncoserve.tasks.undetermined import named


@pytest.mark.parametrize(
    ("document", "finding"),
    [
        ({"label": "a", "probabilities": {"a": 0.75, "b": 0.25}}, {"label": "a", "probability": 0.75}),
        (
            {"label": None, "probabilities": {"a": 0.5}, "undetermined": {"code": "classes_close"}},
            {"label": None, "probability": None, "undetermined": "classes_close"},
        ),
        (
            {"label": None, "probabilities": None, "undetermined": None, "warnings": [{"code": "not_grey"}]},
            {"label": None, "probability": None, "undetermined": "not_grey"},
        ),
    ],
)
def test_a_label_or_why_there_is_none(document, finding):
    assert named(document) == finding


def test_a_number_that_is_none_is_left_out():
    """JSON has no word for it, and a record with it could not be read again."""
    assert kept({"label": "a", "probability": float("nan"), "areas": {"b": float("inf")}}) == {"label": "a"}


def test_what_is_too_large_is_not_kept():
    assert kept({"label": "a" * (MOST_BYTES - 20)}) is not None
    assert kept({"label": "a" * MOST_BYTES}) is None
