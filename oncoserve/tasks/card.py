"""Model cards: what a model is for, how good it is, where it comes from. `card.json` in the model's folder.

It is that of the newest version. A `card.json` in the folder of another version has the fields that are others there.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
HALF: Final = 0.5
Probability = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Code(_Part):
    """A concept of a coding scheme, as DICOM writes it."""

    value: Annotated[str, Field(min_length=1, max_length=64)]
    scheme: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,16}$")] = "SCT"
    """SCT is SNOMED CT, DCM the DICOM standard itself."""
    meaning: Annotated[str, Field(min_length=1, max_length=64)]


class ModelClass(_Part):
    """One class of the output, in the order of the output tensor."""

    name: Name
    title: str
    colour: Colour
    description: str
    code: Code | None = None
    """What it is, for DICOM; left out, its name in this project's own scheme."""
    category: Code | None = None
    """Of which kind that is; left out, a tissue."""


class Preprocessing(_Part):
    """What has to be done to a picture before the tensor; sizes come from the tensor's own shape."""

    resize_filter: Literal["bicubic", "bilinear", "lanczos", "box"]
    background: Colour
    """What transparent pixels are laid over, and the picture where it does not fill the tensor."""
    fit: Literal["stretch", "letterbox", "crop"] = "stretch"
    """How a picture comes to the tensor's size: each side alone, whole with its proportions, or its middle."""
    crop_share: Annotated[float, Field(gt=0, le=1)] = 1
    """Of what the picture is resized to cover, the middle part that is seen; 0.875 is PyTorch's usual 224 of 256."""


class Origin(_Part):
    """Where the weights were published, or which code of this project trained them."""

    package: str
    version: str
    file: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    licence: str
    data: list[str] = []
    """What the weights were trained on, as far as it is known."""


class Figure(_Part):
    """One measured figure, with what it was measured on."""

    metric: str
    value: float
    data: str
    caveat: str


class Pictures(_Part):
    """What the model's pictures look like: others get no answer, see docs/plausibility.md."""

    least_side_px: Annotated[int, Field(ge=1)] = 8
    """Pixels of the shorter side."""
    colour: Literal["any", "grey"] = "any"
    """`grey`: a coloured picture is another kind of picture."""
    one_object_on_dark: bool = False
    """Whether each shows one object in the middle, such as a head, on a dark background that reaches its border."""


class Labelling(_Part):
    """How the probabilities of a classification become a label, or several."""

    labels: Literal["one", "many"] = "one"
    """`many`: each class is there or not, whatever the others are."""
    least_probability: Probability = 0
    """Of the most probable class, where there is one label; with less, no class is named."""
    thresholds: dict[Name, Probability] = {}
    """By class, where there are many: from which on it is there; 0.5 for those that are not named."""

    @property
    def limits(self) -> dict[str, float]:
        """What an answer hangs on."""
        if self.labels == "one":
            return {"least_probability": self.least_probability}
        return {f"threshold.{name}": value for name, value in sorted(self.thresholds.items())}

    def threshold(self, name: str) -> float:
        """From which on a class is there."""
        return self.thresholds.get(name, HALF)


class Saliency(_Part):
    """How the model's saliency map is made and what it is worth."""

    method: str
    caption: str
    figures: str


class Resemblance(_Part):
    """From where on a picture is too unlike the training pictures to be named, and what that is worth."""

    most_strangeness: float
    """Of the model's `strangeness`; with more, no class is named."""
    coverage: Probability
    """Share of the slices of patients that the limit was set on which it lets through."""
    method: str
    figures: str


class Localisation(_Part):
    """How the model's heatmap is read and what it is worth."""

    nothing: Name
    """The class that means that there is nothing to find."""
    least_certainty: Probability
    """Heat at the peak below which no box is given."""
    method: str
    caption: str
    figures: str


class Delineation(_Part):
    """How the model's mask is read, from where on nothing is said, and what it is worth."""

    least_mask: Probability = HALF
    """Of the mask, from which on a pixel of the picture belongs to the outline."""
    least_seen: Probability = 0
    """Of the mask where it is highest; with less, nothing is outlined and no class is named."""
    least_probability: Probability = 0
    """Of the most probable class; with less, no class is named."""
    most_strangeness: float | None = None
    """How unlike the training pictures a picture may be; with more, nothing is said of it. Left out: it is not told."""
    coverage: Probability | None = None
    """Share of the pictures that the limits were set on which they let through."""
    outlined: Annotated[str, Field(min_length=1, max_length=64)] = "tumour"
    """What is outlined, in a word."""
    outlined_code: Code | None = None
    """The same for DICOM, where the class is not determined."""
    mm_per_px_range: tuple[float, float] | None = None
    """Millimetres per pixel of the pictures that the model is for."""
    method: str
    caption: str
    figures: str

    @property
    def limits(self) -> dict[str, float]:
        """What an answer hangs on."""
        names = {"least_mask", "least_seen", "least_probability", "most_strangeness"}
        return self.model_dump(include=names, exclude_none=True)


class Tiles(_Part):
    """How a picture is cut into tiles of the tensor's size, in pixels at the model's resolution."""

    overlap: Annotated[int, Field(ge=0)]
    """Least overlap of neighbours, which are blended into each other there."""
    margin: Annotated[int, Field(ge=0)] = 0
    """How far tiles reach outside of a picture that is larger than one, where they see its mirror image."""


class Segmentation(_Part):
    """How the model's maps, a channel for each class, are made and read."""

    kind: Literal["binary", "multiclass", "multilabel", "ranked"]
    """`binary`: one channel. `multiclass`: the most probable channel names a pixel. `multilabel`: a pixel has each
    class that passes, and areas overlap. `ranked`: it has the first that passes and is over every channel of none."""
    channels: list[Name | None] = []
    """By channel its class; null for background. Left out: the classes, in their order."""
    rest: Name | None = None
    """The class of what no channel takes; left out, that has none."""
    threshold: Probability = 0.5
    """Least probability of a class, where the caller gives none; with 0 the most probable one is always named."""
    steps: list[Literal["glass", "stains"]] = []
    """What is done to H&E pictures before: `glass` tells the slide's empty glass from tissue, `stains` makes eosin,
    haematoxylin and optical density of the three colours."""
    um_per_px: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Micrometres per pixel that pictures are brought to, 1000 for a millimetre; null: they stay as they are."""
    assumed_um_per_px: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """What a picture is taken for that nobody says the resolution of; left out: the one above."""
    um_per_px_range: tuple[float, float] | None = None
    """Of the pictures that the model is for."""
    headline: Name | None = None
    """The class whose share is a result's headline; left out, the largest."""
    tiles: Tiles | None = None
    """Left out, the whole picture is resized to the tensor as `preprocessing` says."""


class Detection(_Part):
    """How the model's boxes are read."""

    threshold: Probability = 0.25
    """Least score of a box, where the caller gives none."""
    floor: Probability = 0.05
    """Of the boxes that are kept for other thresholds."""
    overlap: Annotated[float, Field(gt=0, le=1)] | None = 0.45
    """Of two boxes of a class that share more than this of what they cover together (IoU) the better is kept; null
    where the graph does so itself."""
    most: Annotated[int, Field(ge=1, le=3000)] = 300
    """Boxes that are kept of a picture, the best."""


class Precision(_Part):
    """One of the number formats that the model can run in, and what was measured of it."""

    name: Literal["FP32", "FP16", "INT8"]
    runs_on: str
    description: str
    performance: list[Figure]


class ScopeRule(_Part):
    """What a DICOM file says of how it was taken, and what the model is for. docs/dicom.md has the values."""

    fact: Literal["modality", "body_part", "plane", "weighting", "contrast", "derived"]
    expected: Annotated[list[str], Field(min_length=1)]
    """Any of these; `yes` or `no` of `contrast` and `derived`."""
    otherwise: Literal["warn", "refuse"]
    """What becomes of a file that says something else. One that says nothing is taken."""


PARTS_OF_TASKS: Final = (
    "classification",
    "saliency",
    "localisation",
    "delineation",
    "resemblance",
    "segmentation",
    "detection",
)


class Card(_Part):
    """The clinical meaning of a model."""

    schema_version: Literal[1]
    name: Name
    title: str
    task: str
    modality: str
    intended_use: str
    not_intended_for: list[str]
    preprocessing: Preprocessing
    pictures: Pictures = Pictures()
    classes: Annotated[list[ModelClass], Field(min_length=1)]
    origin: Origin
    performance: list[Figure]
    limitations: list[str]
    scope: list[ScopeRule] = []
    """What DICOM files are held to."""
    classification: Labelling | None = None
    saliency: Saliency | None = None
    localisation: Localisation | None = None
    delineation: Delineation | None = None
    resemblance: Resemblance | None = None
    segmentation: Segmentation | None = None
    detection: Detection | None = None
    precisions: list[Precision] = []
    samples: Name | None = None
    """The model whose sample pictures the page offers, where these are not its own."""
    compare_with: Name | None = None
    """The model that answers the same question, with classes that are the same in part at least."""

    def parts_of_tasks(self) -> frozenset[str]:
        """Names of those parts that it has of those that only some tasks read."""
        return frozenset(name for name in PARTS_OF_TASKS if getattr(self, name))


@dataclass(frozen=True)
class Weights:
    """The weights that a graph was made from."""

    package: str
    sha256: str
