import sys

from loadtest.localisation.__main__ import NOTHING_TO_MEASURE, main


def test_it_says_when_there_is_no_tumour_to_point_at(tmp_path, monkeypatch, capsys):
    """Before the service is started and asked about every picture."""
    columns = "file\tclass\tcentre_x\tcentre_y\twidth\theight"
    (tmp_path / "boxes.tsv").write_text(f"{columns}\n1.jpg\tnotumor\t\t\t\t\n")
    monkeypatch.setattr(sys, "argv", ["localisation", str(tmp_path)])
    assert main() == NOTHING_TO_MEASURE
    assert "none of 1 slices has a box" in capsys.readouterr().err
