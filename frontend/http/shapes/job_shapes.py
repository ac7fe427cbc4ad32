"""The shapes of jobs over HTTP."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from frontend.http.shapes.base_shapes import Shape
from frontend.http.shapes.result_shapes import AreaShape
from oncoserve.jobs.job import ID_PATTERN
from oncoserve.jobs.series import NoVolume


class FaultShape(Shape):
    """Why an image has no result: the fields of the error that an upload would have got.

    `retryable`: the service gave it up, and kept its picture: POST /v1/jobs/{id}/retry tries it again.
    """

    code: str
    title: str
    detail: str
    retryable: bool


class SliceShape(BaseModel):
    """Where a slice of a DICOM series lies; what another version has noted beside it is left out.

    `series` is the same for all slices of a series, and tells nothing else. `position_mm` is that of the plane along
    its normal. `frame` is the number in the file that was sent, which has `frames`. `mm_per_px` is what was measured
    with.
    """

    model_config = ConfigDict(extra="ignore")

    series: str
    plane: str
    position_mm: float | None
    frame: int
    frames: int
    mm_per_px: float | None


class _Finding(BaseModel):
    """What another version has noted beside these is left out."""

    model_config = ConfigDict(extra="ignore")

    version: str
    """Of the model that answered."""
    warnings: list[str]
    """Codes of what makes the result doubtful; the result has the words."""
    slice: SliceShape | None = None
    """Null for PNG and JPEG."""


class ClassificationFinding(_Finding):
    """The class and its probability, or the code of why there is none."""

    task: Literal["classification"]
    label: str | None
    probability: float | None
    undetermined: str | None


class LocalisationFinding(ClassificationFinding):
    """As a classification, and the heat at its peak."""

    task: Literal["localisation"]  # type: ignore[assignment]
    certainty: float | None


class DelineationFinding(ClassificationFinding):
    """As a classification, and what was measured of the outline; millimetres where the size of a pixel was given."""

    task: Literal["delineation"]  # type: ignore[assignment]
    certainty: float | None
    area_px: int | None
    area_mm2: float | None
    longest_diameter_px: float | None
    longest_diameter_mm: float | None


class SegmentationFinding(_Finding):
    """The areas of the classes at this threshold."""

    task: Literal["segmentation"]
    um_per_px: float | None
    threshold: float | None
    areas: dict[str, AreaShape] | None


class DetectionFinding(_Finding):
    """How many boxes of each class have at least the threshold's score."""

    task: Literal["detection"]
    threshold: float | None
    counts: dict[str, int] | None


FindingShape = Annotated[
    ClassificationFinding | LocalisationFinding | DelineationFinding | SegmentationFinding | DetectionFinding,
    Field(discriminator="task"),
]


class JobFindingShape(Shape):
    """What the images of a job came to until now.

    `labels`: numbers of images by the class that was named. `undetermined`: of those without one, by the code of the
    reason. `warned`: of those whose result warns of something. `image`: the finding of the only image, in a job of one.
    """

    labels: dict[str, int]
    undetermined: dict[str, int]
    warned: int
    image: FindingShape | None


class JobImageShape(Shape):
    """One image of a job; `result` and its links are there when it has SUCCEEDED, `error` when it has FAILED.

    `finding` has the numbers that the result had when it was made, for lists. It is null where there is no result, in
    jobs of older versions, and where what another version noted cannot be read.
    """

    name: str
    state: Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED"]
    result: str | None
    finding: FindingShape | None
    links: dict[str, str]
    error: FaultShape | None
    attempts: int


class ProgressShape(Shape):
    """Numbers of images."""

    total: int
    queued: int
    running: int
    succeeded: int
    failed: int


class JobSummaryShape(Shape):
    """A job without its images. `position` is the number of images of other jobs that come first, where known.

    `finding` is null while no image has one, and when the job has expired.

    Ended, it has SUCCEEDED with all of them, FAILED with all of them, or is PARTIAL.
    """

    id: str = Field(pattern=ID_PATTERN)
    state: Literal["QUEUED", "RUNNING", "SUCCEEDED", "PARTIAL", "FAILED", "EXPIRED"]
    model: str
    parameters: dict[str, Any]
    created: str
    updated: str
    expires: str
    progress: ProgressShape
    position: int | None
    finding: JobFindingShape | None
    links: dict[str, str]


class LargestShape(Shape):
    """The slice with the largest outlined area, and what was measured on it.

    `image` is its place in `images`, from 0 on. The longest diameter is that of the region with the peak.
    """

    image: int
    position_mm: float | None
    area_px: float
    area_mm2: float | None
    longest_diameter_px: float | None
    longest_diameter_mm: float | None


class SeriesShape(Shape):
    """What the slices of a DICOM series came to. Each is an answer by itself; nothing follows a lesion through them.

    `images` are the slices with a result, `found` those with an outline or a box, `unanswered` those that the model
    gave no answer about; all as places in the job's `images`, from 0 on. `labels`: the same by the class that was
    named. `plane` is empty where slices differ or do not say it.

    `volume_mm3` is the sum of the outlined areas times `distance_mm`, that of the slices; slices without an answer add
    nothing to it. Where it is null `no_volume` says why.
    """

    series: str
    plane: str
    images: list[int]
    found: list[int]
    unanswered: list[int]
    labels: dict[str, list[int]]
    largest: LargestShape | None
    distance_mm: float | None
    volume_mm3: float | None
    no_volume: NoVolume | None


class JobShape(JobSummaryShape):
    """A job with its images: in the order in which they were sent, but for DICOM.

    Of a DICOM file each frame is an image. Series come as their first files were sent, and the slices of a series as
    they lie, along the normal of their planes.
    """

    images: list[JobImageShape]
    series: list[SeriesShape]


class JobsShape(Shape):
    """Some of the caller's jobs, newest first, and where the next ones are."""

    jobs: list[JobSummaryShape]
    next: str | None


class UploadRequest(Shape):
    """What will be uploaded: its size in bytes and, to have it checked on arrival, its sha256 in hexadecimal digits."""

    name: str = Field(default="", max_length=1000)
    bytes: int = Field(ge=1)
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")


class UploadShape(Shape):
    """Where to send it: with this method and exactly these headers, before it expires."""

    id: str = Field(pattern=ID_PATTERN)
    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    expires: str
