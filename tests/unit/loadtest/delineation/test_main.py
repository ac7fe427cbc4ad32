import sys

import pytest

from loadtest.delineation.__main__ import LEAST, MOST, NOTHING_TO_MEASURE, main, missed


def test_it_says_when_there_is_no_tumour_to_outline(tmp_path, monkeypatch, capsys):
    """Before the service is started and asked about every picture."""
    (tmp_path / "slices.tsv").write_text("file\tclass\tpatient\toutline\n1.jpg\tglioma\tp1\t\n")
    monkeypatch.setattr(sys, "argv", ["delineation", str(tmp_path)])
    assert main() == NOTHING_TO_MEASURE
    assert "none of 1 slices has an outline" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*LEAST, *MOST])
def test_a_figure_beyond_its_limit_is_missed(name):
    kept = {each: {"value": limit} for each, limit in (LEAST | MOST).items()}
    assert missed(kept) == []
    assert missed({each: value for each, value in kept.items() if each != name}) == [name] * (name in LEAST)
    step = -0.001 if name in LEAST else 0.001
    assert missed(kept | {name: {"value": kept[name]["value"] + step}}) == [name]
