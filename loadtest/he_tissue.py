"""`python -m loadtest.he_tissue`: what he_tissue costs, as a table, a CSV and a plot in docs/he_tissue/.

1. The tile loop through HTTP and Triton against a bare ONNX Runtime over the same tiles: interleaved rounds, medians.
2. The overlay, the layer alone and the areas again at other thresholds, over HTTP.
3. Time and the frontend's peak memory for pictures of 1 to 100 megapixels, a fresh frontend each.

Starts its own Triton and frontends on free ports of 127.0.0.1, and ends by itself.
"""

import argparse
import csv
import io
import math
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from oncoserve.tasks.tissue.whole_picture import prepare
from testbed.servers import PROJECT, FrontendServer, TritonServer

SLIDE = PROJECT / "build/samples/he_tissue/slide/cmu_small_region.svs"
OUT = PROJECT / "docs/he_tissue"
PREDICT = "/v1/models/he_tissue/predict"
SLIDE_UM_PER_PX = 0.499


def main() -> int:
    """Measure, print and write."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5, help="interleaved rounds of the first measurement")
    arguments.add_argument("--megapixels", type=int, nargs="*", default=[1, 5, 10, 25, 50, 100])
    given = arguments.parse_args()
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder, TritonServer(PROJECT / "model_repository", Path(folder)) as triton:
        compare(triton, Path(folder), given.rounds)
        redraw(triton, Path(folder))
        grow(triton, Path(folder), given.megapixels)
    return 0


def compare(triton: TritonServer, folder: Path, rounds: int) -> None:
    """Print the tile loop's rate through HTTP and Triton, of a bare ONNX Runtime, and their ratio."""
    with Image.open(SLIDE) as slide:
        pixels = np.asarray(slide.convert("RGB"))
    session = onnxruntime.InferenceSession(PROJECT / "model_repository/he_tissue/1/model.onnx")
    served, bare = [], []
    with FrontendServer(triton.grpc_url, folder, results_dir=folder / "compare") as frontend:
        for turn in range(rounds):
            variant = pixels.copy()
            variant[0, 0] = turn  # another picture, so that no stored result answers
            answer = post(frontend, png(variant), SLIDE_UM_PER_PX).json()
            prepared = prepare(variant, SLIDE_UM_PER_PX)
            tiles = [tile.stains for tile in prepared.tiles()]
            served.append(len(tiles) / (answer["timings_ms"]["infer"] / 1e3))
            started = time.perf_counter()
            for tile in tiles:
                session.run(None, {"stains": tile[np.newaxis]})
            bare.append(len(tiles) / (time.perf_counter() - started))
    ratios = [a / b for a, b in zip(served, bare, strict=True)]
    print(f"tile loop, {len(tiles)} tiles, {rounds} rounds, tiles/s: HTTP + Triton {statistics.median(served):.3f},")
    print(
        f"bare ONNX Runtime {statistics.median(bare):.3f}, ratio round by round: median {statistics.median(ratios):.3f}"
    )
    print("ratios: " + " ".join(f"{ratio:.3f}" for ratio in ratios))


def redraw(triton: TritonServer, folder: Path) -> None:
    """Print how long the overlay and the areas of a 1-megapixel picture take over HTTP at another threshold."""
    with Image.open(SLIDE) as slide:
        picture = slide.convert("RGB").crop((600, 800, 1600, 1800))
    with (
        FrontendServer(triton.grpc_url, folder, results_dir=folder / "redraw") as frontend,
        httpx.Client(base_url=frontend.url, timeout=60) as http,
    ):
        for kind in ("JPEG", "PNG"):
            buffer = io.BytesIO()
            picture.save(buffer, kind)
            links = post(frontend, buffer.getvalue(), SLIDE_UM_PER_PX).json()["links"]
            for what, address in (
                ("overlay", links["overlay"]),
                ("layer", links["overlay"] + "?base=none"),
                ("areas", links["self"]),
            ):
                took_ms = []
                for percent in range(20, 81, 3):
                    started = time.perf_counter()
                    http.get(httpx.URL(address).copy_merge_params({"threshold": percent / 100})).raise_for_status()
                    took_ms.append((time.perf_counter() - started) * 1e3)
                print(
                    f"{what} again, 1 megapixel {kind}: "
                    f"median {statistics.median(took_ms):.0f} ms, most {max(took_ms):.0f} ms"
                )


def grow(triton: TritonServer, folder: Path, megapixels: list[int]) -> None:
    """Measure time and peak memory against the picture's size, at 0.25 micrometres per pixel."""
    rows = []
    for count in megapixels:
        for kind in ("JPEG", "PNG"):
            data = tiling(count, kind)
            results = folder / f"{kind}-{count}"
            with FrontendServer(triton.grpc_url, folder, results_dir=results, infer_timeout_s=120) as frontend:
                started = time.perf_counter()
                answer = post(frontend, data, 0.25).json()
                seconds = time.perf_counter() - started
                predicted = peak_gib(frontend.pid)
                httpx.get(frontend.url + answer["links"]["overlay"], timeout=300).raise_for_status()
                drawn = peak_gib(frontend.pid)
            row = {
                "megapixels": count,
                "format": kind,
                "upload_mb": round(len(data) / 1e6, 1),
                "seconds": round(seconds, 2),
                "infer_seconds": round(answer["timings_ms"]["infer"] / 1e3, 2),
                "peak_gib": round(predicted, 3),
                "peak_gib_with_overlay": round(drawn, 3),
            }
            print(row, flush=True)
            rows.append(row)
    OUT.mkdir(parents=True, exist_ok=True)
    with (OUT / "megapixels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    plot(rows)


def plot(rows: list[dict[str, Any]]) -> None:
    """Draw time and memory against megapixels."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to import, and only the plot needs it

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), constrained_layout=True)
    for kind in ("JPEG", "PNG"):
        mine = [row for row in rows if row["format"] == kind]
        x = [row["megapixels"] for row in mine]
        left.plot(x, [row["seconds"] for row in mine], marker="o", label=f"{kind}, whole request")
        left.plot(x, [row["infer_seconds"] for row in mine], marker=".", linestyle=":", label=f"{kind}, inference")
        right.plot(x, [row["peak_gib"] for row in mine], marker="o", label=f"{kind}, prediction")
        right.plot(
            x, [row["peak_gib_with_overlay"] for row in mine], marker=".", linestyle=":", label=f"{kind}, overlay too"
        )
    right.axhline(2.5, color="grey", linewidth=0.8)
    left.set(xlabel="megapixels at 0.25 µm/px", ylabel="seconds", ylim=(0, None))
    right.set(xlabel="megapixels at 0.25 µm/px", ylabel="frontend's peak memory, GiB", ylim=(0, None))
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    figure.savefig(OUT / "megapixels.svg", metadata={"Date": None})


def tiling(megapixels: int, kind: str) -> bytes:
    """A picture of that many megapixels, made of the slide, by another process: its memory is not to be measured."""
    code = f"from loadtest.he_tissue import write_tiling; write_tiling({megapixels}, {kind!r})"
    return subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, cwd=PROJECT).stdout  # noqa: S603


def write_tiling(megapixels: int, kind: str) -> None:
    """Write the encoded picture to standard output."""
    with Image.open(SLIDE) as slide:
        tile = np.asarray(slide.convert("RGB"))
    side = math.isqrt(megapixels * 10**6)
    pixels = np.tile(tile, (side // tile.shape[0] + 1, side // tile.shape[1] + 1, 1))[:side, :side]
    options = {"quality": 90} if kind == "JPEG" else {"compress_level": 1}
    Image.fromarray(pixels).save(sys.stdout.buffer, kind, **options)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode quickly."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def post(frontend: FrontendServer, data: bytes, um_per_px: float) -> httpx.Response:
    """Upload, and insist on an answer."""
    answer = httpx.post(frontend.url + PREDICT, files={"image": data}, params={"um_per_px": um_per_px}, timeout=600)
    return answer.raise_for_status()


def peak_gib(pid: int) -> float:
    """Largest resident memory of a process so far, in GiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20


if __name__ == "__main__":
    sys.exit(main())
