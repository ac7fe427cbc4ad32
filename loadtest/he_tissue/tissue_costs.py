"""The measurements of `python -m loadtest.he_tissue`: the tile loop, drawing again, and growing pictures."""

import csv
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from loadtest.shared.process_family import peak_mib
from loadtest.shared.slide_pictures import UM_PER_PX, quick_png, slide_pixels
from testbed.encoded_pictures import encoded
from testbed.models.tissue_maps import prepare_tissue
from testbed.servers import PROJECT, FrontendServer, TritonServer

PREDICT: Final = "/v1/models/he_tissue/predict"
KINDS: Final = ("JPEG", "PNG")
_GROWN_UM_PER_PX: Final = 0.25


@dataclass(frozen=True)
class Grown:
    """What one picture of a size took; a row of megapixels.csv.

    Attributes:
        megapixels: Of the picture.
        format: JPEG or PNG.
        upload_mb: Size of the file.
        seconds: Of the whole request.
        infer_seconds: Of its inference.
        peak_gib: Most memory of the frontend up to the answer.
        peak_gib_with_overlay: The same after the overlay was drawn.
    """

    megapixels: int
    format: str
    upload_mb: float
    seconds: float
    infer_seconds: float
    peak_gib: float
    peak_gib_with_overlay: float


def compare(triton: TritonServer, folder: Path, rounds: int) -> None:
    """Print the tile loop's rate through HTTP and Triton, of a bare ONNX Runtime, and their ratio."""
    pixels = slide_pixels()
    session = onnxruntime.InferenceSession(PROJECT / "model_repository/he_tissue/1/model.onnx")
    served, bare, count = [], [], 0
    with FrontendServer(triton.grpc_url, folder, results_dir=folder / "compare") as frontend:
        for turn in range(rounds):
            variant = pixels.copy()
            variant[0, 0] = turn % 256, turn // 256, 0  # another picture, so that no stored result answers
            answer = post(frontend, quick_png(variant), UM_PER_PX).json()
            tiles = [tile.pixels for tile in prepare_tissue(variant, UM_PER_PX).tiles()]
            count = len(tiles)
            served.append(count / (answer["timings_ms"]["infer"] / 1e3))
            bare.append(_bare_rate(session, tiles))
    ratios = [a / b for a, b in zip(served, bare, strict=True)]
    print(f"tile loop, {count} tiles, {rounds} rounds, tiles/s: HTTP + Triton {statistics.median(served):.3f},")
    print(
        f"bare ONNX Runtime {statistics.median(bare):.3f}, ratio round by round: median {statistics.median(ratios):.3f}"
    )
    print("ratios: " + " ".join(f"{ratio:.3f}" for ratio in ratios))


def _bare_rate(session: onnxruntime.InferenceSession, tiles: Sequence[NDArray[np.uint8]]) -> float:
    """Tiles per second, one after the other."""
    started = time.perf_counter()
    for tile in tiles:
        session.run(None, {"stains": tile[np.newaxis]})
    return len(tiles) / (time.perf_counter() - started)


def redraw(triton: TritonServer, folder: Path) -> None:
    """Print how long the overlay and the areas of a 1-megapixel picture take over HTTP at another threshold."""
    picture = Image.fromarray(slide_pixels()[800:1800, 600:1600])
    with (
        FrontendServer(triton.grpc_url, folder, results_dir=folder / "redraw") as frontend,
        httpx.Client(base_url=frontend.url, timeout=60) as http,
    ):
        for kind in KINDS:
            links = post(frontend, encoded(picture, kind), UM_PER_PX).json()["links"]
            addresses = {"overlay": links["overlay"], "layer": links["overlay"] + "?base=none", "areas": links["self"]}
            for what, address in addresses.items():
                took_ms = []
                for percent in range(20, 81, 3):
                    started = time.perf_counter()
                    http.get(httpx.URL(address).copy_merge_params({"threshold": percent / 100})).raise_for_status()
                    took_ms.append((time.perf_counter() - started) * 1e3)
                print(
                    f"{what} again, 1 megapixel {kind}: "
                    f"median {statistics.median(took_ms):.0f} ms, most {max(took_ms):.0f} ms"
                )


def grow(triton: TritonServer, folder: Path, megapixels: Sequence[int]) -> list[Grown]:
    """Measure time and peak memory against the picture's size, at 0.25 micrometres per pixel, and print each."""
    found = []
    for count in megapixels:
        for kind in KINDS:
            data = _tiled_elsewhere(count, kind)
            results = folder / f"{kind}-{count}"
            with FrontendServer(triton.grpc_url, folder, results_dir=results, infer_timeout_s=120) as frontend:
                started = time.perf_counter()
                answer = post(frontend, data, _GROWN_UM_PER_PX).json()
                seconds = time.perf_counter() - started
                predicted_mib = peak_mib(frontend.serving_pid)
                httpx.get(frontend.url + answer["links"]["overlay"], timeout=300).raise_for_status()
                drawn_mib = peak_mib(frontend.serving_pid)
            found.append(
                Grown(
                    count,
                    kind,
                    upload_mb=round(len(data) / 1e6, 1),
                    seconds=round(seconds, 2),
                    infer_seconds=round(answer["timings_ms"]["infer"] / 1e3, 2),
                    peak_gib=round(predicted_mib / 1024, 3),
                    peak_gib_with_overlay=round(drawn_mib / 1024, 3),
                )
            )
            print(found[-1], flush=True)
    return found


def write(rows: Sequence[Grown], out: Path) -> None:
    """Write megapixels.csv and megapixels.svg: time and memory against megapixels."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "megapixels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(Grown)])
        writer.writeheader()
        writer.writerows(asdict(each) for each in rows)
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to import, and only the plot needs it

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), constrained_layout=True)
    for kind in KINDS:
        mine = [row for row in rows if row.format == kind]
        x = [row.megapixels for row in mine]
        left.plot(x, [row.seconds for row in mine], marker="o", label=f"{kind}, whole request")
        left.plot(x, [row.infer_seconds for row in mine], marker=".", linestyle=":", label=f"{kind}, inference")
        right.plot(x, [row.peak_gib for row in mine], marker="o", label=f"{kind}, prediction")
        with_overlay = [row.peak_gib_with_overlay for row in mine]
        right.plot(x, with_overlay, marker=".", linestyle=":", label=f"{kind}, overlay too")
    right.axhline(2.5, color="grey", linewidth=0.8)
    left.set(xlabel="megapixels at 0.25 µm/px", ylabel="seconds", ylim=(0, None))
    right.set(xlabel="megapixels at 0.25 µm/px", ylabel="frontend's peak memory, GiB", ylim=(0, None))
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    figure.savefig(out / "megapixels.svg", metadata={"Date": None})


def post(frontend: FrontendServer, data: bytes, um_per_px: float) -> httpx.Response:
    """Upload, and insist on an answer.

    Args:
        frontend: Who is asked.
        data: The picture's file.
        um_per_px: Its micrometres per pixel.

    Raises:
        httpx.HTTPStatusError: It is not answered.
    """
    answer = httpx.post(frontend.url + PREDICT, files={"image": data}, params={"um_per_px": um_per_px}, timeout=600)
    return answer.raise_for_status()


def _tiled_elsewhere(megapixels: int, kind: str) -> bytes:
    """A picture of that many megapixels, made by another process: gigabytes that this one need not keep."""
    options = {"quality": 90} if kind == "JPEG" else {"compress_level": 1}
    code = (
        "import sys; from loadtest.shared.slide_pictures import tiled; "
        f"sys.stdout.buffer.write(tiled({megapixels}, {kind!r}, **{options}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, cwd=PROJECT)  # noqa: S603 - ours
    return done.stdout
