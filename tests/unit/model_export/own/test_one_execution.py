"""What the launcher says becomes one sentence. Triton's own execution is tried in tests/integration/cli."""

from pathlib import Path

import pytest

from model_export.own.one_execution import why

REPOSITORY = Path("/srv/.checking-1/repository")
BEGUN = f"Triton loads and warms up the models of {REPOSITORY} ..."
READY = "Triton 2.51.0 is ready: gRPC 127.0.0.1:53169, status 127.0.0.1:33995 (1.1 s)"
ENDED = "Triton ended with exit code 1. The end of its log (/srv/triton.log):"
NO_MODELS = "error: creating server: Internal - failed to load all models"
FAILED = "InvalidProtobuf: [ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from "
BROKEN = f"{FAILED}{REPOSITORY}/theirs/1/model.onnx failed:Protobuf parsing failed.\\n\\nAt:\\n  /x.py(753): create\\n"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([BEGUN, READY, "card.json: no sense"], "card.json: no sense"),
        (
            [
                BEGUN,
                ENDED,
                f'E1127 21:49:36.506244 8881 backend_model.cc:692] "ERROR: Failed to create instance: {BROKEN}"',
                f"E1127 21:49:36.506375 8881 model_lifecycle.cc:642] \"failed to load 'theirs' version 1: {BROKEN}\"",
                NO_MODELS,
            ],
            (
                "Triton cannot serve the model: failed to load 'theirs' version 1: InvalidProtobuf: Load model from "
                "theirs/1/model.onnx failed:Protobuf parsing failed"
            ),
        ),
        ([BEGUN, ENDED, NO_MODELS, "Run `oncoserve x`."], "Triton cannot serve the model: Run `oncoserve x`"),
        (["No disk."], "Triton cannot serve the model: No disk"),
        ([], ""),
    ],
)
def test_the_reason_is_found_in_all_that_was_said(said, words):
    assert why("\n".join(said), REPOSITORY) == words
