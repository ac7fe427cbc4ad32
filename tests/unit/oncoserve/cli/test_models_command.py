import json
import re

import pytest

from oncoserve.cli.main import main


def test_those_that_are_ready_and_why_others_are_not(call):
    code, out, _ = call("models")
    assert code == 0
    assert [re.split(r"  +", line) for line in out.splitlines()] == [
        ["MODEL", "VERSION", "TASK", "TITLE"],
        ["tiny", "1", "classification", "Tiny"],
        ["large", "-", "not ready", "it has no card"],
    ]
    assert call("models", "list")[1] == out


def test_for_programs_the_whole_answer(call):
    assert json.loads(call("models", "--json")[1])["not_ready"] == {"large": "it has no card"}


def test_no_recipe(capsys):
    assert main(["models", "export", "nonsense", "brain_mri"]) == 2
    assert "There is no recipe for nonsense; there is: brain_mri, he_tissue." in capsys.readouterr().err


def test_models_of_ones_own_are_left_alone(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("ONCO_MODEL_REPOSITORY", str(tmp_path))
    assert main(["models", "export"]) == 2
    assert f"The models of {tmp_path} are your own" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_list_takes_no_model(call):
    with pytest.raises(SystemExit) as ended:
        call("models", "list", "tiny")
    assert ended.value.code == 2
