"""What can be measured: this service beside its peers, the real models, and one setting at a time."""

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from loadtest.compare import tiny_cnn
from loadtest.compare.contenders import Contender, onnxruntime_alone, ours, peer, triton_grpc
from loadtest.compare.peer_server import PEERS
from loadtest.compare.photographs import base_pictures, mri_slices
from loadtest.compare.served import Served, one_at_a_time, two_instances, without_file_name
from testbed.servers import PROJECT

Settings = Mapping[str, str]
Pictures = Mapping[str, Sequence[bytes]]

KINDS: Final[Mapping[str, Callable[[], Sequence[bytes]]]] = MappingProxyType(
    {"mri": mri_slices, "noisy": base_pictures}
)
DEFAULTS: Final[Settings] = MappingProxyType({"ONCO_WORKERS": "auto"})
"""What `make run` has and the servers of tests have not."""
REAL_MODEL = "brain_mri"
TUMOUR_MODEL = "brain_tumour"
# Single values of the resized picture one level apart move its probabilities by up to 3e-4 in FP32 and by 8e-3 in INT8,
# where they tip activations over to the next step.
REAL_TOLERANCE = 3e-2
MEGAPIXELS = (0.26, 1, 4, 12)
FEW_PICTURES = 8


def tiny(repository: Path, pictures: Pictures | None = None, batching: str = tiny_cnn.BATCHING) -> Served:
    """The tiny model in a repository of its own; with noisy pictures of 512 x 512 pixels, unless others are given."""
    tiny_cnn.write_repository(repository, batching)
    return Served(repository, tiny_cnn.NAME, pictures or {"noisy": base_pictures()})


def peers(folder: Path, settings: Settings, pictures: Pictures, *, distinct: bool = True) -> list[Contender]:
    """This service against other servers of the same tiny model, and against Triton without the frontend.

    Files that are not distinct come again and again, and this service answers them from its store.
    """
    served = replace(tiny(folder / "tiny", pictures), distinct=distinct)
    return [
        ours(served, settings),
        ours(served, {**settings, "ONCO_WORKERS": "1"}, "ours_1"),
        *(peer(name, served) for name in PEERS),
        triton_grpc(served),
    ]


def real(folder: Path, settings: Settings, pictures: Pictures) -> list[Contender]:
    """The real classifier as it is configured: over HTTP, straight to Triton, and without any server; then in FP32."""
    served = _of_the_project(REAL_MODEL, folder / "real", pictures)
    exact = _of_the_project(REAL_MODEL, folder / "fp32", pictures, without_file_name)
    return [
        ours(served, settings),
        triton_grpc(served),
        onnxruntime_alone(served, "onnxruntime"),
        triton_grpc(exact, "triton_grpc_fp32"),
        onnxruntime_alone(exact, "onnxruntime_fp32"),
    ]


def tumour(folder: Path, settings: Settings, pictures: Pictures) -> list[Contender]:
    """The network of our own as configured, beside plain FastAPI, without batches and in two instances; the VGG16."""
    own = _of_the_project(TUMOUR_MODEL, folder / "own", pictures)
    single = _of_the_project(TUMOUR_MODEL, folder / "single", pictures, one_at_a_time)
    two = _of_the_project(TUMOUR_MODEL, folder / "two", pictures, two_instances)
    int8 = _of_the_project(REAL_MODEL, folder / "int8", pictures)
    fp32 = _of_the_project(REAL_MODEL, folder / "fp32", pictures, without_file_name)
    as_many = {**settings, "ONCO_MAX_BATCHES_IN_FLIGHT": "64"}  # batches of one: else more than four are refused
    return [
        ours(own, settings, TUMOUR_MODEL),
        peer("plain_fastapi_1", own),
        ours(single, as_many, f"{TUMOUR_MODEL}, batches of 1"),
        ours(two, settings, f"{TUMOUR_MODEL}, 2 instances"),
        triton_grpc(own),
        triton_grpc(single, "triton_grpc, batches of 1"),
        ours(int8, settings, f"{REAL_MODEL}, INT8"),
        ours(fp32, settings, f"{REAL_MODEL}, FP32"),
    ]


def _of_the_project(model: str, repository: Path, pictures: Pictures, change: Callable[[str], str] = str) -> Served:
    shutil.copytree(PROJECT / "model_repository" / model, repository / model)
    configuration = repository / model / "config.pbtxt"
    configuration.write_text(change(configuration.read_text()))
    return Served(repository, model, pictures, REAL_TOLERANCE)


def batching(folder: Path, settings: Settings, pictures: Pictures) -> list[Contender]:
    """Dynamic batching on against off, with the frontend and without."""
    on, off = tiny(folder / "on", pictures), tiny(folder / "off", pictures, batching="")
    return [
        ours(on, settings, "ours, batching"),
        ours(off, settings, "ours, no batching"),
        triton_grpc(on, "triton_grpc, batching"),
        triton_grpc(off, "triton_grpc, no batching"),
    ]


def megapixels(folder: Path, settings: Settings, _: Pictures) -> list[Contender]:
    """Uploads of several sizes, all noisy; they are decoded whole and shrunk to the model's size."""
    sides = {count: round(math.sqrt(count * 1e6)) for count in MEGAPIXELS}
    return [
        ours(
            tiny(folder / str(count), {"noisy": base_pictures(FEW_PICTURES, side)}),
            settings,
            f"ours, {count} megapixels",
        )
        for count, side in sides.items()
    ]


@dataclass(frozen=True)
class Scenario:
    """Something that can be measured, and how, unless the command says otherwise.

    Attributes:
        build: Makes the contenders, of a folder, settings of this service and pictures.
        connections, seconds, pictures: Requests under way at once and kinds of pictures, a point each; its length.
        baselines: Who is divided by the others.
        servers: Only these, where not all that were made.
    """

    build: Callable[[Path, Settings, Pictures], list[Contender]]
    connections: Sequence[int] = (1, 8, 32)
    seconds: float = 5.0
    pictures: Sequence[str] = ("noisy",)
    baselines: Sequence[str] = ()
    servers: Sequence[str] = ()


SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {
        "peers": Scenario(peers, pictures=("mri", "noisy"), baselines=("ours", "ours_1")),
        "repeats": Scenario(partial(peers, distinct=False), baselines=("ours", "ours_1")),
        # A few answers a second.
        "real": Scenario(real, (1, 4, 8), 20.0, ("mri",), ("ours", "triton_grpc_fp32")),
        "tumour": Scenario(tumour, (1, 8, 32), 10.0, ("mri",), (TUMOUR_MODEL,)),
        "batching": Scenario(batching),
        "megapixels": Scenario(megapixels, (4,)),
        "workers": Scenario(peers, baselines=("ours",), servers=("ours", "ours_1")),
        "connections": Scenario(peers, (1, 2, 4, 8, 16, 32), baselines=("ours",), servers=("ours", "triton_grpc")),
    }
)
