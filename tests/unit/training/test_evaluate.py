import json

import pytest

from training.evaluate import limits, newest, table
from training.figures.calibrate import Limits


def test_the_newest_version_is_asked_or_the_folder_itself(tmp_path):
    for name in ("1", "9", "10", "x"):
        (tmp_path / name).mkdir()
    for name in ("1", "9"):
        (tmp_path / name / "model.onnx").touch()
    assert newest(tmp_path, "model.onnx") == tmp_path / "9" / "model.onnx"
    assert newest(tmp_path / "1", "model.onnx") == tmp_path / "1" / "model.onnx"
    with pytest.raises(SystemExit, match=r"model\.cpu\.onnx"):
        newest(tmp_path, "model.cpu.onnx")


def test_limits_are_those_of_the_record_beside_the_graph(tmp_path):
    own = Limits(1.2, 0.4, 0.6, 0.35)
    document = {"training": {"limits": own.document()}}
    (tmp_path / "export.json").write_text(json.dumps(document))
    assert limits(tmp_path / "model.onnx") == own


def test_a_figure_has_a_line_and_its_interval():
    lines = table({"one": {"value": 0.5, "low": 0.4, "high": 0.6}, "two": {"value": 0.25}, "folds": [{}]})
    assert [line.split() for line in lines[1:]] == [["one", "0.500", "(0.400", "to", "0.600)"], ["two", "0.250"]]
