"""Errors that the caller cannot put right; trying again may help."""

import math

from oncoserve.errors.platform import ServiceError


class InternalError(ServiceError):
    """This is a defect of the service; its log has the details under the request id."""

    status, code, title = 500, "internal_error", "Something went wrong here"
    advice = "It is not the picture's fault; please report it with the request id."
    retry_after_s = None


class InferenceFailed(ServiceError):
    """Triton answered with an error, or with something that is not the model's output."""

    status, code, title = 502, "inference_failed", "The model could not compute an answer"
    advice = "Try again; if it happens again, please report it with the request id."
    retry_after_s = None

    def __init__(self, model: str) -> None:
        super().__init__(f"Model {model!r} failed on this picture.")


class InferenceUnavailable(ServiceError):
    """Triton does not answer."""

    status, code, title = 503, "inference_unavailable", "The inference server is not reachable"
    advice = "Try again in a moment; the service recovers by itself when the server is back."

    def __init__(self) -> None:
        super().__init__("The inference server does not answer.")


class ModelNotReady(ServiceError):
    """Triton answers, but this model is not loaded, cannot answer, or is not what its card and its record say."""

    status, code, title = 503, "model_not_ready", "The model is not ready"
    advice = "Try again in a moment; /readyz says what is missing."
    retry_after_s = 2

    def __init__(self, model: str, reason: str, *, unloaded: bool = False) -> None:
        super().__init__(f"Model {model!r} is not ready: {reason}.")
        self.reason = reason
        self.unloaded = unloaded  # the version that was asked for; another one may be loaded


class TooBusy(ServiceError):
    """ONCO_MAX_BATCHES_IN_FLIGHT full batches are under way, or the answer would come too late."""

    status, code, title = 503, "too_busy", "The service is busy"
    advice = "Try again after the time in Retry-After."

    def __init__(
        self,
        model: str,
        in_flight: int,
        limit: int,
        drain_s: float,
        allowed_s: float,
        retry_after_s: int,
        things: str = "requests",
    ) -> None:
        limits = f"limits are {limit} {things} and {allowed_s:.3g} s"
        if math.isinf(allowed_s):
            limits = f"limit is {limit} {things}"
        # Before the first answer nobody knows how long they take.
        work = f", about {drain_s:.2g} s of work" if drain_s else ""
        super().__init__(f"Model {model!r} has {in_flight} {things} under way{work}; the {limits}.")
        self.retry_after_s = retry_after_s


class NoRoom(ServiceError):
    """What callers send and ask for takes as much memory as ONCO_MEMORY_BYTES allows."""

    status, code, title = 503, "no_room", "The service's memory is full"
    advice = "Try again after the time in Retry-After, or send a smaller picture."
    retry_after_s = 5

    def __init__(self, what: str, size: int, used: int, limit: int, waiting: int) -> None:
        super().__init__(
            f"{size / 2**20:.3g} MiB are needed; {used / 2**20:.3g} of the {limit / 2**20:.3g} MiB for {what} "
            f"are taken, and {waiting} requests wait."
        )


class StorageUnavailable(ServiceError):
    """The result could not be written or read."""

    status, code, title = 503, "storage_unavailable", "Results cannot be stored"
    advice = "Try again later; the operator has to look at the results folder, or the bucket."
    retry_after_s = 30

    def __init__(self, reason: str) -> None:
        super().__init__(f"The storage of results failed: {reason}.")
        self.reason = reason


class StorageFull(StorageUnavailable):
    """Less room than ONCO_MIN_FREE_BYTES or ONCO_MIN_FREE_INODES is left, so new work is refused."""

    status, code, title = 503, "storage_full", "There is no room for new results"
    advice = "Try again later; stored results can be read, and the operator has to make room."
    retry_after_s = 60

    def __init__(self, what: str, free: int, limit: int) -> None:
        self.reason = f"{free} {what} are free where results are kept; {limit} are kept free"
        ServiceError.__init__(self, f"{self.reason}.")


class JobsUnavailable(ServiceError):
    """The queue, the records or the pictures of jobs could not be written or read."""

    status, code, title = 503, "jobs_unavailable", "Jobs cannot be stored or read"
    advice = "Try again later; jobs that were accepted wait until then."
    retry_after_s = 5

    def __init__(self, reason: str) -> None:
        super().__init__(f"The storage of jobs failed: {reason}.")


class QueueFull(ServiceError):
    """ONCO_MAX_QUEUED_IMAGES images of jobs of all callers wait already."""

    status, code, title = 503, "queue_full", "Too many images wait"
    advice = "Try again after the time in Retry-After, or with fewer images."
    retry_after_s = 60

    def __init__(self, waiting: int, sent: int, limit: int) -> None:
        super().__init__(f"{waiting} images of jobs wait, this job has {sent}, and the limit is {limit} in all.")


class AttemptsExhausted(ServiceError):
    """The image failed ONCO_JOB_MAX_ATTEMPTS times, or ended the worker's process that often."""

    status, code, title = 500, "attempts_exhausted", "The image could not be processed"
    advice = (
        "Try it again, the service has kept the picture: POST /v1/jobs/{id}/retry. If that fails, too, look at the "
        "image in another program; if it is fine, please report it with the job's id."
    )
    retry_after_s = None

    def __init__(self, attempts: int, reason: str) -> None:
        super().__init__(f"Work on it was begun {'once' if attempts == 1 else f'{attempts} times'}. {reason}")


class ModelProcessEnded(ServiceError):
    """The model's process, well before, ended or hung while it worked on this image of a job alone, and again."""

    status, code, title = 500, "model_process_ended", "The model's process ended on this image"
    advice = "Do not send it again as it is; please report it with the job's id."
    retry_after_s = None

    def __init__(self, model: str, attempts: int) -> None:
        super().__init__(
            f"Work on it was begun {attempts} times, and the process of model {model!r} ended while it worked on this "
            "image alone."
        )


class UploadsNotSupported(ServiceError):
    """The storage of this installation cannot hand out addresses to send pictures to."""

    status, code, title = 501, "uploads_not_supported", "Pictures are not uploaded separately here"
    advice = "Send the pictures in the job's own request: POST /v1/jobs, multipart field 'images'."
    retry_after_s = None


class HttpVersionNotSupported(ServiceError):
    """The request is of another version of HTTP than 1.0 or 1.1."""

    status, code, title = 505, "http_version_not_supported", "This version of HTTP is not spoken here"
    advice = "Ask by HTTP/1.1. A proxy in front may speak HTTP/2 and 3 with its callers."
    retry_after_s = None

    def __init__(self, version: str) -> None:
        super().__init__(f"The request is of HTTP/{version[:8]}.")


class DeadlineExceeded(ServiceError):
    """The answer did not come within the request's Request-Timeout, or the model's within ONCO_INFER_TIMEOUT_S."""

    status, code, title = 504, "deadline_exceeded", "The answer took too long"
    advice = "Try again when the service is less busy, or send a smaller picture."

    def __init__(self, model: str, timeout_s: float) -> None:
        super().__init__(f"Model {model!r} did not answer within {timeout_s:.3g} s.")


class ShuttingDown(ServiceError):
    """The process was told to stop, and ONCO_SHUTDOWN_GRACE_S was not enough for this request."""

    status, code, title = 503, "shutting_down", "The service is stopping"
    advice = "Send the request again."

    def __init__(self) -> None:
        super().__init__("The process that worked on the request ends.")


class OutOfResources(ServiceError):
    """The machine or the process has no more open files, memory or room for temporary files."""

    status, code, title = 503, "out_of_resources", "The service has run out of what it needs for this request"
    advice = "Try again after the time in Retry-After; the operator has to look at the machine's limits."
    retry_after_s = 5

    def __init__(self, reason: str) -> None:
        super().__init__(f"The system says: {reason}.")


class TooManyConnections(ServiceError):
    """ONCO_MAX_CONNECTIONS connections have a request under way already."""

    status, code, title = 503, "too_many_connections", "The service has too many connections"
    advice = "Try again after the time in Retry-After."

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} connections have a request under way, which is the limit.")
