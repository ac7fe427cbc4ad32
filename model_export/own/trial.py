"""A graph that nobody here made is computed in a process of its own: memory and time are bounded, a crash is its own.

`python -m model_export.own.trial GRAPH INPUT.npy ANSWER.npz BYTES OUTPUT ...` computes the outputs of those names.
"""

import re
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model_export.own.bounded.bounded_child import run_module
from model_export.own.own_errors import NO_ROOM, OwnModelError, disk_is_full

MEMORY_BYTES: Final = 8 * 2**30
TIME_S: Final = 300.0
KILLED: Final = 128 + 9
SIGNALS: Final = 128
WANT_OF_MEMORY: Final = ("alloc", "memoryerror", "out of memory")
UNKNOWN: Final = re.compile(r"No Op registered for (\S+)|(\S+?)(?:\(-?\d+\))? is not a registered function/op")
NOISE: Final = re.compile(
    r"^[\w.]+: |\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from \S+ failed:|/onnxruntime_src/\S+ "
)
"""Of ONNX Runtime's words: classes, codes and paths of its own."""


def compute(
    graph: Path,
    batch: NDArray[Any],
    outputs: Sequence[str],
    *,
    one_by_one: bool,
    memory_bytes: int = MEMORY_BYTES,
    time_s: float = TIME_S,
) -> list[dict[str, NDArray[Any]]]:
    """Compute outputs of a batch.

    Args:
        graph: The ONNX file; files are written beside it.
        batch: (N, ...) what its one input takes.
        outputs: Which to give.
        one_by_one: N times a batch of one, instead of one of N. A graph whose input has an axis less than `batch` gets
            pictures without a batch.
        memory_bytes: That the process may have.
        time_s: That it may take, seconds.

    Returns:
        By name, of each time that it was computed.

    Raises:
        OwnModelError: It failed, took too long or too much.
    """
    asked, answered = graph.with_suffix(".asked.npy"), graph.with_suffix(".answered.npz")
    np.save(asked, batch if one_by_one else batch[np.newaxis])
    arguments = [str(graph), str(asked), str(answered), str(memory_bytes), *outputs]
    try:
        code, said = run_module(__name__, arguments, time_s)
    except TimeoutError:
        raise OwnModelError(
            f"The graph computed for more than {time_s:g} s on {len(batch)} pictures, and was ended: "
            "bring one that is smaller, or that ends"
        ) from None
    if code:
        raise OwnModelError(_why(code, said, graph, memory_bytes))
    times = len(batch) if one_by_one else 1
    with np.load(answered) as found:
        return [{name: found[f"{time} {name}"] for name in outputs} for time in range(times)]


def _why(code: int, said: str, graph: Path, memory_bytes: int) -> str:
    """Why it was not computed, in one sentence."""
    if NO_ROOM in said:
        return disk_is_full(graph.parent.parent)
    if code == KILLED or any(words in said.lower() for words in WANT_OF_MEMORY):
        return f"The graph needs more than {memory_bytes / 2**30:.3g} GiB of memory: bring one that is smaller"
    if found := UNKNOWN.search(said):
        return f"ONNX Runtime does not know the operator {found[1] or found[2]}: export the graph with ONNX's own"
    if code > SIGNALS:
        return f"ONNX Runtime broke down over the graph (signal {code - SIGNALS}): export it anew"
    last = " ".join(NOISE.sub("", (said.strip().splitlines() or [f"it ended with {code}"])[-1]).split())
    return f"ONNX Runtime cannot compute the graph, export it anew: {last[:300]}"


def declared(graph: Path, outputs: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The outputs' shapes as ONNX Runtime found them when the graph was computed last; -1 is open."""
    with np.load(graph.with_suffix(".answered.npz")) as found:
        return {name: tuple(found[f"shape {name}"].tolist()) for name in outputs}


def _main(graph: str, asked: str, answered: str, memory_bytes: str, *outputs: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (int(memory_bytes), int(memory_bytes)))
    import onnxruntime  # noqa: PLC0415 - inside the limit

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0]
    # A batch of N lies one axis deeper than N batches of one.
    batches = [each if each.ndim == len(wanted.shape) else each[np.newaxis] for each in np.load(asked)]
    answers = {
        f"{time} {name}": value
        for time, batch in enumerate(batches)
        for name, value in zip(outputs, session.run(outputs, {wanted.name: batch}), strict=True)
    }
    for each in session.get_outputs():
        answers[f"shape {each.name}"] = np.array([side if isinstance(side, int) else -1 for side in each.shape])
    np.savez(answered, allow_pickle=False, **answers)


if __name__ == "__main__":
    _main(*sys.argv[1:])
