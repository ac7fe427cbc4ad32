"""Errors of jobs that the caller can put right."""

from oncoserve.errors.platform import RequestError


class MissingImages(RequestError):
    """The request has neither a file nor the id of an upload."""

    status, code, title = 400, "missing_images", "The job has no images"
    advice = "Send each file in a multipart field 'images', or the id of each upload in a field 'uploads'."


class JobNotFound(RequestError):
    """The job in the address does not exist, belongs to another caller, or was removed after it expired."""

    status, code, title = 404, "job_not_found", "The job is not known"
    advice = "GET /v1/jobs lists your jobs."

    def __init__(self, job_id: str) -> None:
        super().__init__(f"There is no job {job_id[:64]!r}.")


class JobNotEnded(RequestError):
    """Failed images can be tried again when all images of their job have ended."""

    status, code, title = 409, "job_not_ended", "The job is still under way"
    advice = "Ask again when GET /v1/jobs/{id} says PARTIAL or FAILED."

    def __init__(self, job_id: str, under_way: int) -> None:
        super().__init__(f"{under_way} images of job {job_id!r} have not ended.")


class NothingToRetry(RequestError):
    """No image of the job was given up by the service: all succeeded, were refused for their pictures, or expired."""

    status, code, title = 409, "nothing_to_retry", "No image of the job can be tried again"
    advice = "Send pictures that were refused again in a new job, when they have been put right."

    def __init__(self, job_id: str, failed: int, *, expired: bool) -> None:
        if expired:
            met = "The job has expired, and its pictures are gone."
        elif failed:
            met = f"All {failed} that failed were refused for what their pictures are."
        else:
            met = "None has failed."
        super().__init__(f"Job {job_id!r}: {met}")


class UploadNotFound(RequestError):
    """The upload that the job names does not exist, has not arrived yet, or is no longer kept."""

    status, code, title = 404, "upload_not_found", "The upload is not known"
    advice = "Ask for a new address with POST /v1/uploads, send the picture there, then name its id in a job."


class PictureNotKept(RequestError):
    """The image was to be tried again, and its picture, which the service had kept, has been deleted meanwhile."""

    status, code, title = 404, "picture_not_kept", "The picture is no longer kept"
    advice = "Send the picture again in a new job."


class TooManyImages(RequestError):
    """The job has more images than ONCO_MAX_JOB_IMAGES; a ZIP archive counts its files, a DICOM file its frames."""

    status, code, title = 413, "too_many_images", "The job has too many images"
    advice = "Send the images in several jobs."

    def __init__(self, limit: int, met: int | None = None) -> None:
        at_least = limit + 1 if met is None else met
        super().__init__(f"The job has at least {at_least} images; it may have {limit}.")


class JobTooLarge(RequestError):
    """Unpacked, and with each frame as a picture of its own, the job has more bytes than ONCO_MAX_JOB_BYTES."""

    status, code, title = 413, "job_too_large", "The job's pictures are too large together"
    advice = "Send them in several jobs."

    def __init__(self, met_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"The job's pictures have at least {met_bytes} bytes; they may have {limit_bytes}.")


class UnusableArchive(RequestError):
    """The ZIP archive is damaged, encrypted, has no pictures, or is made in a way that honest programs do not use."""

    status, code, title = 422, "unusable_archive", "The ZIP archive cannot be taken"
    advice = "Pack the pictures again, as a plain ZIP archive without a password, or send them as they are."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The archive {reason}; nothing of the job was kept.")


class SeveralStudies(RequestError):
    """The DICOM files of one ZIP archive are of several studies: perhaps of several patients."""

    status, code, title = 422, "several_studies", "The ZIP archive has more than one study"
    advice = "Pack each study by itself, and send each as a job."

    def __init__(self, met: int) -> None:
        super().__init__(f"Its DICOM files are of at least {met} studies; an archive may have 1.")


class TooManyQueuedImages(RequestError):
    """ONCO_MAX_QUEUED_IMAGES_PER_OWNER images of the caller's jobs wait already."""

    status, code, title = 429, "too_many_queued_images", "Too many of your images wait"
    advice, retry_after_s = "Send more when some have ended; GET /v1/jobs tells how far they are.", 60

    def __init__(self, waiting: int, sent: int, limit: int) -> None:
        super().__init__(f"{waiting} images of your jobs wait, this job has {sent}, and the limit is {limit}.")
