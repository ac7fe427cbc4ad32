"""The shapes of results, by task."""

from typing import Annotated, Any, Literal

from pydantic import Field

from frontend.http.shapes.base_shapes import Shape


class WarningShape(Shape):
    """Something to know before trusting a result. `code` is stable."""

    code: str
    message: str


class WindowShape(Shape):
    """What became black and white, in the modality's units, and who says so.

    The `caller`, the `file` by a window or a `table`; `whole`: 8 bits as they are; `robust`: nobody, and a hundredth of
    the values lies on either side.
    """

    kind: Literal["caller", "file", "table", "whole", "robust"]
    low: float | None
    high: float | None


class GreyShape(Shape):
    """How the numbers of a grey file are kept for a viewer: each is `low + step * number`, in the modality's units.

    `steps`: the largest number. Between `dark` and `bright` are all but a hundredth of the values on either side.
    `inverted`: small numbers are bright.
    """

    low: float
    step: float
    steps: int
    dark: float
    bright: float
    inverted: bool


class ScanShape(Shape):
    """What a DICOM file says of its picture; nothing that names a patient, a place or a day. Empty: it does not say."""

    modality: str
    body_part: str
    plane: str
    sequence: str
    weighting: str
    contrast: bool
    repetition_ms: float | None
    echo_ms: float | None
    inversion_ms: float | None
    derived: bool
    burned_in: str
    frame: int = Field(ge=1, description="Its number in the file.")
    frames: int = Field(ge=1, description="How many the file has.")
    series: str = Field(description="The same for all slices of a series; tells nothing else.")
    position_mm: float | None = Field(description="Of its plane, along the plane's normal.")
    window: WindowShape | None = Field(description="Null for colours.")
    values: GreyShape | None = Field(default=None, description="Null for colours, and in results of older versions.")


class ImageShape(Shape):
    """The picture as it was understood: upright, in pixels. All places and sizes in a result are in this frame."""

    width: int
    height: int
    format: Literal["PNG", "JPEG", "DICOM"]
    orientation: int = Field(default=1, ge=1, le=8, description="How the file's own pixels lie: its EXIF orientation.")
    turned: bool = Field(
        default=False,
        description="Whether the file's own pixels lie otherwise than the upright ones, so that programs that ignore "
        "EXIF show another frame. `frame` says which of the two a rendering is in.",
    )
    mm_per_px: float | None = Field(default=None, description="Millimetres per pixel, where a DICOM file says it.")
    dicom: ScanShape | None = Field(default=None, description="How it was taken; null for PNG and JPEG.")


class Weights(Shape):
    """The weights that the served model was made from, as they were published or trained."""

    package: str
    sha256: str


class ColourProfile(Shape):
    """What the picture's file says about its colours."""

    name: str | None
    """One of a few that are known; null for any other."""
    space: Literal["RGB", "grey", "CMYK"]
    converted: bool
    """Whether colours were changed for it; if not they are sRGB already, or a warning says why they were left."""


class ReadingShape(Shape):
    """How the samples of the picture's file became 8-bit sRGB."""

    rules: int
    """Number of the rules that were followed; the same file may become other pixels by other rules."""
    bits: int
    """Of a sample in the file."""
    scaled_from: tuple[int, int] | None
    """The samples that became 0 and 255, where the file has 16 bits."""
    profile: ColourProfile | None


class Provenance(Shape):
    """What made this result."""

    model: str
    version: str
    model_sha256: str | None
    weights: Weights
    code_version: str
    input_sha256: str
    reading: ReadingShape | None = None
    """Null in results of older versions."""
    parameters: dict[str, Any]
    created: str
    notice: str


class _Result(Shape):
    id: str = Field(pattern="^[0-9a-f]{32}$")
    model: str
    version: str
    warnings: list[WarningShape]
    image: ImageShape
    timings_ms: dict[str, float]
    provenance: Provenance
    links: dict[str, str]


class UndeterminedShape(Shape):
    """Why no class is named. `code` is stable; `value` is what was met beside `limit`, which is the card's.

    `unlike_training`, `nothing_seen`, `classes_close`; any other is that of the warning why the model was not asked.
    """

    code: str
    text: str
    value: float | None
    limit: float | None


class ClassificationResult(_Result):
    """One label for the whole picture, or no label and the reason, which results of older versions lack.

    Where a model's classes do not exclude each other, `labels` are those that are there, and `label` is the most
    probable of them.
    """

    task: Literal["classification"]
    label: str | None
    labels: list[str] = Field(default=[])
    probabilities: dict[str, float] | None
    undetermined: UndeterminedShape | None = None


class PointShape(Shape):
    """A place, in pixels of the picture, upright; (0, 0) is its top left corner."""

    x: float
    y: float


class BoxShape(PointShape):
    """A box; x and y are its top left corner."""

    width: float
    height: float


class LocalisationShape(Shape):
    """Where the heatmap is highest. `certainty` is the heat there, 0 to 1; too little of it gives no box."""

    certainty: float
    peak: PointShape
    box: BoxShape | None


class LocalisationResult(_Result):
    """As a classification, and where the model sees the tumour."""

    task: Literal["localisation"]
    label: str | None
    probabilities: dict[str, float] | None
    localisation: LocalisationShape | None


class OutlineShape(Shape):
    """What was found, in pixels of the upright picture, and in millimetres where the size of a pixel was given.

    `certainty` is the mask's highest probability, `peak` where it is. `outline` holds the regions where the mask has
    `least_mask`, as the coordinates of a GeoJSON MultiPolygon. The area is that of all of them, box and diameter are
    those of the one with the peak; where nothing is outlined, they are null and the area is 0.
    """

    certainty: float
    peak: PointShape
    box: BoxShape | None
    area_px: int
    area_mm2: float | None
    longest_diameter_px: float | None
    longest_diameter_mm: float | None
    least_mask: float
    outline: list[list[list[tuple[int, int]]]]


class DelineationResult(_Result):
    """One label and an outline, or no label and the reason."""

    task: Literal["delineation"]
    label: str | None
    probabilities: dict[str, float] | None
    undetermined: UndeterminedShape | None
    mm_per_px: float | None
    localisation: OutlineShape | None


class ComparisonShape(Shape):
    """What another model says about the same picture; null is what is not known. `message` is for people."""

    model: str
    result: str | None = Field(pattern="^[0-9a-f]{32}$")
    label: str | None
    probability: float | None = Field(ge=0, le=1)
    agrees: bool | None
    message: str


class AreaShape(Shape):
    """How much of a class there is.

    Square millimetres are null where nobody knows the resolution. The fraction is of all tissue where the model's card
    names a class for the rest of it or tells it from glass; else of the picture. Results of older versions have no px.
    """

    px: int | None = None
    mm2: float | None
    fraction: float


class SegmentationResult(_Result):
    """Classes for every pixel; the picture's resolution, if it is known, and the threshold that the areas are for."""

    task: Literal["segmentation"]
    um_per_px: float | None
    threshold: float
    areas: dict[str, AreaShape]
    excluded: list[str] = Field(default=[])
    """Objects that a person excluded at this threshold: they are not in the areas."""


class DetectedShape(BoxShape):
    """One box: its class, and how sure the model is of it."""

    label: str
    score: float


class DetectionResult(_Result):
    """Boxes of at least the threshold's score, the best first; and how many there are of each class."""

    task: Literal["detection"]
    threshold: float
    counts: dict[str, int]
    boxes: list[DetectedShape]


Result = Annotated[
    ClassificationResult | LocalisationResult | DelineationResult | SegmentationResult | DetectionResult,
    Field(discriminator="task"),
]
