"""Every error that a caller can meet.

PlatformError
├── RequestError (4xx: the caller can mend it)
│   ├── EmptyUpload 400, MissingImage 400, MalformedRequest 400
│   ├── RouteNotFound 404, ModelNotFound 404, ResultNotFound 404, SampleNotFound 404, RenderingNotAvailable 404
│   ├── MethodNotAllowed 405, NotAcceptable 406, RequestTimeout 408
│   ├── UploadTooLarge 413, ImageTooLarge 413, ImageTooComplex 413, AreaTooLarge 413
│   ├── UnsupportedImage 415
│   ├── CorruptImage 422, InvalidParameter 422
│   └── HeadTooLarge 431
└── ServiceError (5xx: the caller can try again)
    ├── InternalError 500, InferenceFailed 502
    ├── InferenceUnavailable 503, ModelNotReady 503, TooBusy 503, StorageUnavailable 503
    ├── TooManyConnections 503
    └── DeadlineExceeded 504

Each class states its HTTP status, a stable code for programs, a title, and what the caller can do; the constructor
takes domain words and builds the sentence. Those of input that asks for too much are in input_errors.py. The page
/errors and the OpenAPI document are made from these classes.
"""

from collections.abc import Iterable
from typing import ClassVar


class PlatformError(Exception):
    """Base of all errors that reach a caller, rendered as RFC 9457 problem details."""

    status: ClassVar[int]
    code: ClassVar[str]  # what happened, for programs; never changes
    title: ClassVar[str]
    advice: ClassVar[str]
    retry_after_s: ClassVar[int | None] = None

    @property
    def detail(self) -> str:
        """What happened and what to do, in words for the caller."""
        return f"{self.args[0]} {self.advice}" if self.args else self.advice


class RequestError(PlatformError):
    """The request cannot be answered as it is; sending it again changes nothing."""


class ServiceError(PlatformError):
    """The service cannot answer now; the request may be fine."""

    retry_after_s: ClassVar[int | None] = 1


class EmptyUpload(RequestError):
    """The request has no bytes where the picture should be."""

    status, code, title = 400, "empty_upload", "The upload is empty"
    advice = "Send a PNG or JPEG file as the body, or as the multipart field 'image'."

    def __init__(self) -> None:
        super().__init__("The picture has 0 bytes.")


class MissingImage(RequestError):
    """A multipart request without a usable `image` field."""

    status, code, title = 400, "missing_image", "The picture is missing"
    advice = "Send exactly one file in the multipart field 'image'."

    def __init__(self, found: Iterable[str]) -> None:
        names = ", ".join(repr(name[:40]) for name in sorted(found)) or "none"
        super().__init__(f"There is not exactly one file field 'image'; the fields found: {names}.")


class MalformedRequest(RequestError):
    """HTTP or multipart framing that cannot be read."""

    status, code, title = 400, "malformed_request", "The request cannot be read"
    advice = "Check how the client builds the request (boundary, headers, length)."


class RouteNotFound(RequestError):
    """No such address."""

    status, code, title = 404, "not_found", "There is nothing at this address"
    advice = "See /docs for the addresses there are."


class ModelNotFound(RequestError):
    """The model in the address is not served."""

    status, code, title = 404, "model_not_found", "The model is not known"
    advice = "GET /v1/models lists the models."

    def __init__(self, model: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no model {model[:64]!r}; served are: {', '.join(sorted(known)) or 'none'}.")


class ResultNotFound(RequestError):
    """The result in the address is not stored."""

    status, code, title = 404, "result_not_found", "The result is not known"
    advice = "Upload the picture again: the same picture gets the same result id."

    def __init__(self, result_id: str) -> None:
        super().__init__(f"There is no result {result_id[:64]!r}.")


class SampleNotFound(RequestError):
    """The sample picture in the address does not exist."""

    status, code, title = 404, "sample_not_found", "The sample picture is not known"
    advice = "GET /v1/samples lists the sample pictures."

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no sample picture {name[:64]!r}.")


class RenderingNotAvailable(RequestError):
    """Results of this model cannot be drawn in this form."""

    status, code, title = 404, "rendering_not_available", "The result has no such file"
    advice = "The result's links name what there is."

    def __init__(self, model: str, name: str) -> None:
        super().__init__(f"Results of model {model!r} have no {name}.")


class MethodNotAllowed(RequestError):
    """The address exists, the method does not."""

    status, code, title = 405, "method_not_allowed", "The method is not allowed here"
    advice = "See /docs for the methods of each address."


class NotAcceptable(RequestError):
    """None of the media types in Accept can be produced."""

    status, code, title = 406, "not_acceptable", "No acceptable form of the answer"

    advice = "Name one of the offered types in the Accept header, or leave it out."

    def __init__(self, accept: str, offered: Iterable[str]) -> None:
        super().__init__(f"Accept is {accept[:100]!r}; offered are: {', '.join(offered)}.")


class UploadTooLarge(RequestError):
    """More bytes than ONCO_MAX_UPLOAD_BYTES."""

    status, code, title = 413, "upload_too_large", "The upload is too large"
    advice = "Send a smaller file."

    def __init__(self, met_bytes: int, limit_bytes: int, *, whole: bool = True) -> None:
        met = f"{met_bytes}" if whole else f"at least {met_bytes}"
        super().__init__(f"The body has {met} bytes; the limit is {limit_bytes}.")


class ImageTooLarge(RequestError):
    """More pixels than ONCO_MAX_IMAGE_PIXELS; told from the header, before decoding."""

    status, code, title = 413, "image_too_large", "The picture has too many pixels"
    advice = "Scale the picture down or cut it into parts."

    def __init__(self, width: int, height: int, limit_pixels: int) -> None:
        super().__init__(f"The picture is {width} x {height} = {width * height} pixels; the limit is {limit_pixels}.")


class AreaTooLarge(RequestError):
    """More pixels at the model's resolution than can be held in memory; told before any of them is made."""

    status, code, title = 413, "area_too_large", "The picture covers too large an area"
    advice = "Cut it into parts, or check um_per_px."

    def __init__(self, um_per_px: float, pixels: int, limit_pixels: int) -> None:
        super().__init__(
            f"At {um_per_px:.3g} micrometres per pixel the picture has {pixels} pixels of the model's resolution; "
            f"the limit is {limit_pixels}."
        )


class UnsupportedImage(RequestError):
    """The content (not the name) is neither PNG nor JPEG."""

    status, code, title = 415, "unsupported_image", "The file is not a PNG or JPEG"
    advice = "Convert the picture to PNG or JPEG; a new file name alone does not change its content."

    def __init__(self, found: str) -> None:
        super().__init__(f"The content looks like {found}.")


class CorruptImage(RequestError):
    """A PNG or JPEG that cannot be decoded to the end."""

    status, code, title = 422, "corrupt_image", "The picture is damaged"
    advice = "Export or download the file again; it may be cut off."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The picture cannot be decoded: {reason[:200]}.")


class InvalidParameter(RequestError):
    """A parameter that is unknown, given twice, or out of range."""

    status, code, title = 422, "invalid_parameter", "A parameter is not valid"
    advice = "See /docs for the parameters and their ranges."


class InternalError(ServiceError):
    """A defect of ours; the log has the details under the request id."""

    status, code, title = 500, "internal_error", "Something went wrong here"
    advice = "It is not the picture's fault; please report it with the request id."
    retry_after_s = None


class InferenceFailed(ServiceError):
    """Triton answered with an error, or with something that is not the model's output."""

    status, code, title = 502, "inference_failed", "The model could not compute an answer"
    advice = "Try again; if it stays, please report it with the request id."
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
    """Triton answers, but this model is not loaded, or its configuration is not what its card says."""

    status, code, title = 503, "model_not_ready", "The model is not ready"
    advice = "Try again in a moment; /readyz says what is missing."
    retry_after_s = 2

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"Model {model!r} is not ready: {reason}.")


class TooBusy(ServiceError):
    """As many requests are under way as ONCO_MAX_IN_FLIGHT allows."""

    status, code, title = 503, "too_busy", "The service is busy"
    advice = "Try again after the time in Retry-After."

    def __init__(self, model: str, in_flight: int, limit: int) -> None:
        super().__init__(f"Model {model!r} has {in_flight} requests under way; the limit is {limit}.")


class StorageUnavailable(ServiceError):
    """The result could not be written or read."""

    status, code, title = 503, "storage_unavailable", "Results cannot be stored"
    advice = "Try again later; the operator has to look at the results folder."
    retry_after_s = 30

    def __init__(self, reason: str) -> None:
        super().__init__(f"The results folder failed: {reason}.")


class DeadlineExceeded(ServiceError):
    """The model's answer did not come within ONCO_INFER_TIMEOUT_S."""

    status, code, title = 504, "deadline_exceeded", "The answer took too long"
    advice = "Try again when the service is less busy, or send a smaller picture."

    def __init__(self, model: str, timeout_s: float) -> None:
        super().__init__(f"Model {model!r} did not answer within {timeout_s:.3g} s.")


def all_errors(base: type[PlatformError] = PlatformError) -> list[type[PlatformError]]:
    """All concrete error classes, ordered by status and code."""
    found = [base] if "code" in vars(base) else []
    for child in base.__subclasses__():
        found += all_errors(child)
    return sorted(found, key=lambda error: (error.status, error.code))
