import sys

from loadtest.scale.__main__ import main


def test_a_small_burst_is_reported(monkeypatch, capsys, tmp_path):
    argv = ["scale", "--images", "2000", "--images-per-hour", "3600", "--instance-price", "1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", argv)
    assert main() == 0
    text = capsys.readouterr().out
    assert "at US$ 1 an hour (the command line, now)" in text
    rows = {line.split("|")[1].strip(): line.split("|")[2:] for line in text.splitlines() if line.startswith("| ")}
    assert float(rows["4 workers at most"][1]) == 4
    assert float(rows["as given"][0]) > 0
    assert (tmp_path / "scale.md").read_text() in text
    assert (tmp_path / "burst.svg").read_text().count("<svg") == 1
