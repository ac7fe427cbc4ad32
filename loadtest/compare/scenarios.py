"""What can be measured: the peers, the real model, and one setting at a time."""

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from loadtest.compare import contenders, tiny_cnn
from loadtest.compare.contenders import Contender
from loadtest.compare.photographs import base_pictures, slice_pictures
from loadtest.compare.served import Served, one_at_a_time, two_instances, without_file_name
from testbed.servers import PROJECT

Settings = Mapping[str, str]

REAL_MODEL = "brain_mri"
TUMOUR_MODEL = "brain_tumour"
# Single values of the resized picture one level apart move its probabilities by up to 3e-4 in FP32 and by 8e-3 in INT8,
# where they tip activations over to the next step.
REAL_TOLERANCE = 3e-2
MEGAPIXELS = (0.26, 1, 4, 12)
WORKERS = (1, 2)
FEW_PICTURES = 8


def peers(folder: Path, settings: Settings) -> list[Contender]:
    """This service against other servers of the same tiny model, and against Triton without the frontend."""
    return _peers(tiny(folder / "tiny"), settings)


def repeats(folder: Path, settings: Settings) -> list[Contender]:
    """The same, with the same files again and again, which this service answers from its store."""
    return _peers(replace(tiny(folder / "tiny"), distinct=False), settings)


def _peers(served: Served, settings: Settings) -> list[Contender]:
    return [
        contenders.ours(served, settings),
        contenders.ours(served, {**settings, "ONCO_WORKERS": "2"}, "ours_2"),
        contenders.plain_fastapi(served, workers=1),
        contenders.plain_fastapi(served, workers=2),
        contenders.litserve(served),
        contenders.bentoml(served),
        contenders.triton_grpc(served),
    ]


def real(folder: Path, settings: Settings) -> list[Contender]:
    """The real classifier as it is configured: over HTTP, straight to Triton, and without any server; then in FP32."""
    source = PROJECT / "model_repository" / REAL_MODEL
    for name in ("real", "fp32"):
        shutil.copytree(source, folder / name / REAL_MODEL)
    configuration = folder / "fp32" / REAL_MODEL / "config.pbtxt"
    configuration.write_text(without_file_name(configuration.read_text()))
    served = Served(folder / "real", REAL_MODEL, slice_pictures(), REAL_TOLERANCE)
    exact = Served(folder / "fp32", REAL_MODEL, slice_pictures(), REAL_TOLERANCE)
    return [
        contenders.ours(served, settings),
        contenders.triton_grpc(served),
        contenders.onnxruntime_alone(served, "onnxruntime"),
        contenders.triton_grpc(exact, "triton_grpc_fp32"),
        contenders.onnxruntime_alone(exact, "onnxruntime_fp32"),
    ]


def tumour(folder: Path, settings: Settings) -> list[Contender]:
    """The network of our own as it is configured, without batches and in two instances; the VGG16 in INT8 and FP32."""

    def served(model: str, name: str, change: Callable[[str], str] = str) -> Served:
        shutil.copytree(PROJECT / "model_repository" / model, folder / name / model)
        configuration = folder / name / model / "config.pbtxt"
        configuration.write_text(change(configuration.read_text()))
        return Served(folder / name, model, slice_pictures(), REAL_TOLERANCE)

    own, single = served(TUMOUR_MODEL, "own"), served(TUMOUR_MODEL, "single", one_at_a_time)
    two = served(TUMOUR_MODEL, "two", two_instances)
    as_many = {**settings, "ONCO_MAX_BATCHES_IN_FLIGHT": "64"}  # batches of one: else more than four are refused
    return [
        contenders.ours(own, settings, TUMOUR_MODEL),
        contenders.ours(single, as_many, f"{TUMOUR_MODEL}, batches of 1"),
        contenders.ours(two, settings, f"{TUMOUR_MODEL}, 2 instances"),
        contenders.triton_grpc(own, "triton_grpc"),
        contenders.triton_grpc(single, "triton_grpc, batches of 1"),
        contenders.ours(served(REAL_MODEL, "int8"), settings, f"{REAL_MODEL}, INT8"),
        contenders.ours(served(REAL_MODEL, "fp32", without_file_name), settings, f"{REAL_MODEL}, FP32"),
    ]


def batching(folder: Path, settings: Settings) -> list[Contender]:
    """Dynamic batching on against off, with the frontend and without."""
    on, off = tiny(folder / "on"), tiny(folder / "off", batching="")
    return [
        contenders.ours(on, settings, "ours, batching"),
        contenders.ours(off, settings, "ours, no batching"),
        contenders.triton_grpc(on, "triton_grpc, batching"),
        contenders.triton_grpc(off, "triton_grpc, no batching"),
    ]


def megapixels(folder: Path, settings: Settings) -> list[Contender]:
    """Uploads of several sizes; they are decoded whole and shrunk to the model's size."""
    found = []
    for count in MEGAPIXELS:
        side = round(math.sqrt(count * 1e6))
        served = tiny(folder / str(count), pictures=base_pictures(FEW_PICTURES, side, side))
        found.append(contenders.ours(served, settings, f"ours, {count} megapixels"))
    return found


def workers(folder: Path, settings: Settings) -> list[Contender]:
    """One frontend process against two."""
    served = tiny(folder / "tiny")
    return [
        contenders.ours(served, {**settings, "ONCO_WORKERS": str(count)}, f"ours, workers {count}") for count in WORKERS
    ]


def connections(folder: Path, settings: Settings) -> list[Contender]:
    """The service and Triton without the frontend; the connections are the plan's."""
    served = tiny(folder / "tiny")
    return [contenders.ours(served, settings), contenders.triton_grpc(served)]


SWEEPS: Mapping[str, Callable[[Path, Settings], list[Contender]]] = {
    "batching": batching,
    "megapixels": megapixels,
    "workers": workers,
    "connections": connections,
    "repeats": repeats,
    "tumour": tumour,
}


def tiny(repository: Path, batching: str = tiny_cnn.BATCHING, pictures: Sequence[bytes] | None = None) -> Served:
    """The tiny model in a repository of its own, with pictures of 512 x 512 pixels."""
    tiny_cnn.write_repository(repository, batching)
    return Served(repository, tiny_cnn.NAME, pictures or base_pictures())
