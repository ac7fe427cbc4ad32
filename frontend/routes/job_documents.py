"""Jobs as JSON documents."""

from datetime import UTC, datetime

from frontend.http.job_shapes import FaultShape, JobImageShape, JobShape, JobsShape, JobSummaryShape, ProgressShape
from oncoserve.jobs.model import Job, JobImage, JobRecord, Outcome
from oncoserve.jobs.service import Jobs

ADDRESS = "/v1/jobs"


async def job_document(jobs: Jobs, job: Job) -> JobShape:
    """A job with its images."""
    images = [await _image(jobs, job.record, image) for image in job.images]
    position = await jobs.position(job.record)
    return JobShape(**_summary(job.record, position).model_dump(), images=images)


async def page_document(jobs: Jobs, owner: str | None, cursor: str | None, limit: int) -> JobsShape:
    """Some jobs of an owner."""
    page = await jobs.page(owner, cursor, limit)
    following = None if page.cursor is None else f"{ADDRESS}?limit={limit}&cursor={page.cursor}"
    summaries = [_summary(record, await jobs.position(record)) for record in page.jobs]
    return JobsShape(jobs=summaries, next=following)


def _summary(record: JobRecord, position: int | None) -> JobSummaryShape:
    progress = record.progress
    return JobSummaryShape(
        id=record.id,
        state=record.state(datetime.now(UTC)).value,
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
        links={"self": f"{ADDRESS}/{record.id}", "model": f"/v1/models/{record.model}"},
    )


async def _image(jobs: Jobs, record: JobRecord, image: JobImage) -> JobImageShape:
    outcome = image.outcome or Outcome()
    fault = outcome.fault
    return JobImageShape.model_validate(
        {
            "name": image.name,
            "state": image.state.value,
            "result": outcome.result,
            "links": dict(await jobs.links(record, outcome)),
            "error": fault and FaultShape(code=fault.code, title=fault.title, detail=fault.detail),
            "attempts": image.attempts,
        }
    )


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
