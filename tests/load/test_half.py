"""The command that holds the gate of FP16 on more pictures, or on a GPU."""

import onnxruntime
import pytest

from loadtest.half import half_agreement
from model_export.half import half_gate


def test_it_holds_the_gate_on_the_samples_and_an_impossible_limit_fails(monkeypatch, capsys):
    assert half_agreement.main(["brain_tumour"]) == 0
    printed = capsys.readouterr().out
    assert "brain_tumour: model.gpu.onnx holds FP16, computed on cpu, 17 pictures" in printed
    assert "mask_moved" in printed
    monkeypatch.setattr(half_gate, "PROBABILITY_LIMIT", 1e-9)
    assert half_agreement.main(["brain_tumour"]) == 1
    assert "gate FAILED: check probabilities_moved" in capsys.readouterr().out


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here")
def test_without_cuda_nothing_is_compared(capsys):
    assert half_agreement.main(["brain_tumour", "--device", "cuda"]) == 2
    assert "--device cuda: The installed onnxruntime" in capsys.readouterr().out
