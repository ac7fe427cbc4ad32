"""The measuring command runs, and each part of its gate can fail."""

import numpy as np
import pytest

from loadtest.int8 import int8_gate


class Session:
    """Answers as an ONNX Runtime session that gives fixed numbers, by the image's first byte."""

    def __init__(self, probabilities, strangeness=()):
        self.probabilities = np.array(probabilities, np.float32)
        self.strangeness = np.full((len(probabilities), 1), 0.5, np.float32)
        self.strangeness[: len(strangeness), 0] = strangeness

    def get_inputs(self):
        return [type("Input", (), {"name": "image"})]

    def get_outputs(self):
        return [type("Output", (), {"name": name}) for name in ("probabilities", "saliency", "strangeness")]

    def run(self, names, feeds):
        index = feeds["image"][:, 0, 0, 0]
        return [self.probabilities[index], np.ones((1, 7, 7), np.float32), self.strangeness[index]]


EXACT = [[0.9, 0.1]] * 50 + [[0.2, 0.8]] * 50
IMAGES = np.zeros((100, 1, 1, 3), np.uint8) + np.arange(100, dtype=np.uint8)[:, None, None, None]


@pytest.mark.parametrize(
    ("quantised", "truth", "held"),
    [
        (EXACT, [0] * 50 + [1] * 50, True),
        ([[0.8, 0.2]] * 50 + [[0.3, 0.7]] * 50, [0] * 50 + [1] * 50, True),
        ([[0.1, 0.9], *EXACT[1:]], [1] + [0] * 49 + [1] * 50, True),
        ([[0.1, 0.9], *EXACT[1:]], [0] * 50 + [1] * 50, False),
        ([[0.1, 0.9]] * 2 + EXACT[2:], [1] * 2 + [0] * 48 + [1] * 50, False),
    ],
    ids=["equal", "moved", "one label differs", "a point of accuracy lost", "two labels differ"],
)
def test_accuracy_and_agreement(quantised, truth, held):
    sessions = {"FP32": Session(EXACT), "INT8": Session(quantised)}
    assert int8_gate.compare(sessions, IMAGES, np.array(truth)) is held


@pytest.mark.parametrize(("strangeness", "held"), [([1.2], True), ([1.2, 1.2], False), ([0.9] * 9, True)])
def test_what_is_told_to_be_strange_is_the_same(strangeness, held):
    sessions = {"FP32": Session(EXACT), "INT8": Session(EXACT, strangeness)}
    assert int8_gate.compare(sessions, IMAGES, np.array([0] * 50 + [1] * 50)) is held


def test_the_speed_up_is_the_median_of_the_rounds():
    exact = int8_gate.RoundTimes([1.0, 2.0, 9.0], [1.0, 1.0, 1.0])
    quantised = int8_gate.RoundTimes([0.5, 0.5, 1.0], [0.5, 0.5, 0.5])
    assert int8_gate.report("here", {"FP32": exact, "INT8": quantised}) == 4


@pytest.mark.long
def test_it_runs_through_the_real_triton_and_an_impossible_limit_fails(
    embedded_triton, model_repository, monkeypatch, capsys
):
    monkeypatch.setattr(int8_gate, "LEAST_SPEEDUP", 1000)
    assert int8_gate.main(["--rounds", "1"]) == 1
    printed = capsys.readouterr().out
    assert "17 pictures" in printed
    assert "through Triton, INT8" in printed
    assert printed.endswith("gate: FAILED\n")
