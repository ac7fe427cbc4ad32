import sys

from loadtest.delineation.__main__ import NOTHING_TO_MEASURE, main


def test_it_says_when_there_is_no_tumour_to_outline(tmp_path, monkeypatch, capsys):
    """Before the service is started and asked about every picture."""
    (tmp_path / "slices.tsv").write_text("file\tclass\tpatient\toutline\n1.jpg\tglioma\tp1\t\n")
    monkeypatch.setattr(sys, "argv", ["delineation", str(tmp_path)])
    assert main() == NOTHING_TO_MEASURE
    assert "none of 1 slices has an outline" in capsys.readouterr().err
