"""Jobs as JSON documents."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from frontend.http.links import JOBS, MODELS, RESULTS, of_result
from frontend.http.shapes.job_shapes import (
    FaultShape,
    FindingShape,
    JobFindingShape,
    JobImageShape,
    JobShape,
    JobsShape,
    JobSummaryShape,
    LargestShape,
    ProgressShape,
    SeriesShape,
)
from oncoserve.jobs.job import Job, JobFinding, JobImage, JobRecord, Outcome, State
from oncoserve.jobs.series import SeriesFinding, series_of
from oncoserve.jobs.service import Jobs

FINDING: TypeAdapter[FindingShape] = TypeAdapter(FindingShape)


async def job_document(jobs: Jobs, job: Job, root: str) -> JobShape:
    """A job with its images; its addresses begin with `root`, see `links.root_of`."""
    images = [_image(image, root) for image in job.images]
    position = await jobs.position(job.record)
    summary = _summary(job.record, jobs.state(job.record), position, root)
    series = [_series(each) for each in series_of(job.images)]
    return JobShape(**summary.model_dump(), images=images, series=series)


async def page_document(jobs: Jobs, owner: str | None, cursor: str | None, limit: int, root: str) -> JobsShape:
    """Some jobs of an owner; see `job_document`."""
    page = await jobs.page(owner, cursor, limit)
    following = None if page.cursor is None else f"{root}{JOBS}?limit={limit}&cursor={page.cursor}"
    summaries = [_summary(record, jobs.state(record), await jobs.position(record), root) for record in page.jobs]
    return JobsShape(jobs=summaries, next=following)


def _summary(record: JobRecord, state: State, position: int | None, root: str) -> JobSummaryShape:
    progress = record.progress
    return JobSummaryShape(
        id=record.id,
        state=state.value,
        model=record.model,
        parameters=dict(record.parameters),
        created=_time(record.created),
        updated=_time(record.updated),
        expires=_time(record.expires),
        progress=ProgressShape(
            total=progress.total,
            queued=progress.queued,
            running=progress.running,
            succeeded=progress.succeeded,
            failed=progress.failed,
        ),
        position=position,
        finding=_of_all(record.finding),
        links={"self": f"{root}{JOBS}/{record.id}", "model": f"{root}{MODELS}/{record.model}"},
    )


def _image(image: JobImage, root: str) -> JobImageShape:
    outcome = image.outcome or Outcome()
    fault = outcome.fault
    return JobImageShape.model_validate(
        {
            "name": image.name,
            "state": image.state.value,
            "result": outcome.result,
            "finding": _finding(outcome.finding),
            "links": _links(outcome, root),
            "error": fault
            and FaultShape(code=fault.code, title=fault.title, detail=fault.detail, retryable=image.retryable),
            "attempts": image.attempts,
        }
    )


def _of_all(finding: JobFinding | None) -> JobFindingShape | None:
    if finding is None:
        return None
    labels, undetermined = dict(finding.labels), dict(finding.undetermined)
    image = _finding(finding.image)
    return JobFindingShape(labels=labels, undetermined=undetermined, warned=finding.warned, image=image)


def _series(series: SeriesFinding) -> SeriesShape:
    largest, volume = series.largest, series.volume
    return SeriesShape(
        series=series.series,
        plane=series.plane,
        images=[each.image for each in series.slices],
        found=[each.image for each in series.slices if each.found],
        unanswered=[each.image for each in series.slices if not each.answered],
        labels={name: list(places) for name, places in series.labels.items()},
        largest=None
        if largest is None
        else LargestShape(
            image=largest.image,
            position_mm=largest.position_mm,
            area_px=largest.area_px or 0,
            area_mm2=largest.area_mm2,
            longest_diameter_px=largest.longest_px,
            longest_diameter_mm=largest.longest_mm,
        ),
        distance_mm=volume.distance_mm,
        volume_mm3=volume.mm3,
        no_volume=volume.why_not,
    )


def _finding(found: Mapping[str, Any] | None) -> FindingShape | None:
    """A finding, if this version can tell it: a record outlives what wrote it."""
    try:
        return None if found is None else FINDING.validate_python(found)
    except ValidationError:
        return None


def _links(outcome: Outcome, root: str) -> dict[str, str]:
    """Addresses of an image's result."""
    if outcome.result is None:
        return {}
    return {"result": f"{root}{RESULTS}/{outcome.result}", **of_result(outcome.result, outcome.files, root)}


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
