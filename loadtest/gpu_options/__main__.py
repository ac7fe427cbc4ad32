"""`python -m loadtest.gpu_options`: what each option of ONNX Runtime's CUDA provider is worth, in one sitting.

No server: a graph, a batch, and the seconds it takes with the copy to the GPU and back, for every option. Needs nothing
but onnxruntime-gpu and numpy, in any environment. The folder of the models holds `<model>/1/model.onnx` (FP32) and
`model.gpu.onnx` (FP16) beside it.

Each option has a process of its own: one that fails or hangs is noted and the next has its turn. Options are taken in
turn in every round, and each row is in the CSV file as soon as it is measured. `--cpu` tries the script without a GPU.
"""

import argparse
import csv
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from loadtest.gpu_options.options import OPTIONS

_COMMAND: Final = (sys.executable, "-m", "loadtest.gpu_options.executions")
FILES = {"fp32": "model.onnx", "fp16": "model.gpu.onnx"}
BATCHES = [1, 8, 32, 64]


@dataclass(frozen=True)
class Row:
    """One measurement, a line of the CSV file.

    Attributes:
        images_s: Images a second, the copies to and from the GPU included.
        p50_ms, p99_ms: Of one execution of the batch.
        setup_s: Seconds to open one session and execute it once.
        gpu_mib: GPU memory that is taken while it runs, of all processes; NaN on a CPU.
        difference: The largest one of any output value of the first image from FP32 on the CPU; bytes count as 1/255.
        error: Why there are no figures.
    """

    round: int
    model: str
    precision: str
    option: str
    batch: int
    images_s: float = float("nan")
    p50_ms: float = float("nan")
    p99_ms: float = float("nan")
    setup_s: float = float("nan")
    gpu_mib: float = float("nan")
    difference: float = float("nan")
    error: str = ""


def main() -> int:
    """Return the exit code: 1 if nothing could be measured."""
    given = _arguments()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with given.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(Row)])
        writer.writeheader()
        for row in _measure(given):
            writer.writerow(asdict(row))
            file.flush()
            rows.append(row)
            print(f"  {row.batch}: {row.error or f'{row.images_s:.0f}'}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(table(rows))
    return 0 if any(not row.error for row in rows) else 1


def table(rows: list[Row]) -> str:
    """Markdown: images a second by option and batch, medians over the rounds; the difference; what failed."""
    parts = []
    for model, precision in dict.fromkeys((row.model, row.precision) for row in rows):
        mine = [row for row in rows if (row.model, row.precision) == (model, precision)]
        batches = sorted({row.batch for row in mine})
        lines = [f"\n{model}, {precision}: images/s by batch size\n"]
        lines += [
            f"| option | {' | '.join(map(str, batches))} | p50 ms of the largest | GPU MiB | difference | failed |"
        ]
        lines += ["|---" * (len(batches) + 5) + "|"]
        for option in dict.fromkeys(row.option for row in mine):
            its = [row for row in mine if row.option == option]
            speeds = [_median([row.images_s for row in its if row.batch == batch]) for batch in batches]
            last = [
                _median([getattr(row, name) for row in its if row.batch == batches[-1]])
                for name in ("p50_ms", "gpu_mib")
            ]
            worst = max((row.difference for row in its if not row.error), default=float("nan"))
            failed = next((row.error[-100:] for row in its if row.error), "")
            cells = [*(f"{value:.0f}" for value in speeds), f"{last[0]:.2f}", f"{last[1]:.0f}", f"{worst:.1e}", failed]
            lines.append(f"| {option} | {' | '.join(cells).replace('nan', '-')} |")
        parts += lines
    return "\n".join(parts)


def _median(values: list[float]) -> float:
    found = [value for value in values if value == value]  # noqa: PLR0124 - NaN differs from itself
    return statistics.median(found) if found else float("nan")


def _measure(given: argparse.Namespace) -> Iterator[Row]:
    """Start a process for each option and yield what it found."""
    ends = time.monotonic() + given.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        for turn, model, precision, option in itertools.product(
            range(1, given.rounds + 1), given.only or _names(given.models), given.precisions, given.options
        ):
            paths = sorted(given.models.glob(f"{model}/**/{FILES[precision]}"))
            reference, names = Path(folder) / f"{model}.npz", (turn, model, precision, option)
            left_s = ends - time.monotonic()
            if not paths or left_s < 1:
                print(f"\n{' '.join(map(str, names))}: {'no time' if paths else 'no file'}", end="", file=sys.stderr)
                continue
            task = {"batches": given.batches, "seconds": given.seconds, "reference": str(reference)}
            if not reference.exists():
                exact = sorted(given.models.glob(f"{model}/**/{FILES['fp32']}"))
                _run({**task, "file": str(exact[-1]), "option": "plain", "cpu": True, "batches": [1]}, given.limit)
            print(f"\n{' '.join(map(str, names))}:", end="", file=sys.stderr, flush=True)
            task |= {"file": str(paths[-1]), "option": option, "cpu": given.cpu}
            found, error = _run(task, min(given.limit, left_s))
            for figures in found:
                yield Row(*names, **figures)
            if error:
                yield Row(*names, given.batches[len(found)] if len(found) < len(given.batches) else 0, error=error)


def _names(models: Path) -> list[str]:
    return sorted({path.relative_to(models).parts[0] for path in models.glob(f"*/**/{FILES['fp32']}")})


def _run(task: dict[str, Any], limit_s: float) -> tuple[list[dict[str, Any]], str]:
    """One process: the figures that it printed, and why there are no more."""
    try:
        done = subprocess.run(  # noqa: S603 - of this package
            [*_COMMAND, json.dumps(task)], capture_output=True, timeout=limit_s, check=False
        )
        output, said = done.stdout, done.stderr.decode(errors="replace").strip().splitlines()
        why = [line[-200:] for line in said if "[E:onnxruntime" in line][:1] + said[-1:]
        error = "" if done.returncode == 0 else f"exit code {done.returncode}: {' / '.join(why)}"
    except subprocess.TimeoutExpired as late:
        output, error = late.stdout or b"", f"took longer than {limit_s:.0f} s"
    lines = [line for line in output.decode().splitlines() if line.startswith("{")]
    # CUDA's libraries write to the same output, also behind a row.
    return [json.JSONDecoder().raw_decode(line)[0] for line in lines], error


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.gpu_options", description=__doc__.splitlines()[0])
    words: Callable[[str], list[str]] = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--models", type=Path, default=Path("model_repository"), help="folder of the models")
    parser.add_argument("--only", type=words, help="names of models, with commas between them (default: all)")
    parser.add_argument("--precisions", type=words, default=list(FILES), help="fp32,fp16")
    parser.add_argument("--options", type=words, default=list(OPTIONS), help=",".join(OPTIONS))
    parser.add_argument("--batches", type=lambda text: [int(word) for word in text.split(",")], default=BATCHES)
    parser.add_argument("--seconds", type=float, default=1, help="length of a measurement")
    parser.add_argument("--rounds", type=int, default=1, help="times that each option has its turn")
    parser.add_argument("--limit", type=float, default=60, help="seconds that one option may take")
    parser.add_argument("--minutes", type=float, default=600, help="time for all; what is left then is not measured")
    parser.add_argument("--out", type=Path, default=Path("build/compare/gpu_options.csv"), help="the CSV file")
    parser.add_argument("--cpu", action="store_true", help="on the CPU: a trial of the script, not a result")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
