"""Errors that the caller can put right."""

import math
from collections.abc import Iterable

from oncoserve.errors.platform import RequestError


class EmptyUpload(RequestError):
    """The request has no bytes where the picture should be."""

    status, code, title = 400, "empty_upload", "The upload is empty"
    advice = "Send a PNG, JPEG or DICOM file as the body, or as the multipart field 'image'."

    def __init__(self, *, chosen: bool = True) -> None:
        super().__init__("The picture has 0 bytes." if chosen else "No file was chosen: it has no name and 0 bytes.")


class MissingImage(RequestError):
    """The multipart request has no usable `image` field."""

    status, code, title = 400, "missing_image", "The picture is missing"
    advice = "Send exactly one file in the multipart field 'image' (curl: -F image=@scan.png)."

    def __init__(self, found: str, mistake: str = "") -> None:
        words = f" {mistake}" if mistake else ""
        super().__init__(f"There is not exactly one file, in the field 'image'; the fields found: {found}.{words}")


class MalformedRequest(RequestError):
    """Its HTTP or multipart framing is not valid."""

    status, code, title = 400, "malformed_request", "The request cannot be read"
    advice = "Check how the client builds the request (boundary, headers, length)."


class TooManyFiles(MalformedRequest):
    """It has more files than the request may have."""

    advice = (
        "Send one picture in each request, or several as a job: POST /v1/jobs with -F images=@a.png -F images=@b.png."
    )


class Unauthorised(RequestError):
    """The request has no API key, or one that is not known."""

    status, code, title = 401, "unauthorised", "A valid API key is needed"
    advice = "Send your key in the header X-API-Key; the operator of the service gives it out."
    challenge = 'ApiKey realm="oncoserve"'


class Forbidden(RequestError):
    """The API key is not known, or the address that it was sent from may not ask. On AWS alone, before the service."""

    status, code, title = 403, "forbidden", "This key or this address is not let in"
    advice = "Ask the operator of the service whether your key is still good, and whether your address is on its list."


class RouteNotFound(RequestError):
    """The service has no such address."""

    status, code, title = 404, "not_found", "There is nothing at this address"
    advice = "See /docs for all addresses."


class ModelNotFound(RequestError):
    """The model in the address is not served."""

    status, code, title = 404, "model_not_found", "The model is not known"
    advice = "GET /v1/models lists the models."

    def __init__(self, model: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no model {model[:64]!r}; served are: {', '.join(sorted(known)) or 'none'}.")


class VersionNotFound(RequestError):
    """The model is served, but not in the version in the address."""

    status, code, title = 404, "version_not_found", "The model's version is not known"
    advice = "GET /v1/models/{model} lists the versions; without one in the address the newest answers."

    def __init__(self, model: str, version: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no version {version[:64]!r} of {model!r}; served are: {', '.join(known)}.")


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
    """The service can produce none of the media types in Accept."""

    status, code, title = 406, "not_acceptable", "No acceptable form of the answer"
    advice = "Name one of the offered types in the Accept header, or leave it out."

    def __init__(self, accept: str, offered: Iterable[str]) -> None:
        super().__init__(f"Accept is {accept[:100]!r}; offered are: {', '.join(offered)}.")


class RequestTimeout(RequestError):
    """The request stopped arriving, or arrived too slowly; see ONCO_RECEIVE_TIMEOUT_S."""

    status, code, title = 408, "request_timeout", "The request did not arrive in time"
    advice = "Send it again, over a better connection or with a smaller file."

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"Nothing, or too little, arrived; the limit is {limit_s:.3g} s.")


class UploadTooLarge(RequestError):
    """The body, or a file in a ZIP archive, has more bytes than ONCO_MAX_UPLOAD_BYTES."""

    status, code, title = 413, "upload_too_large", "The upload is too large"
    advice = "Send a smaller file."

    def __init__(self, met_bytes: int, limit_bytes: int, *, whole: bool = True, what: str = "body") -> None:
        met = f"{met_bytes}" if whole else f"at least {met_bytes}"
        super().__init__(f"The {what} has {met} bytes; the limit is {limit_bytes}.")


class ImageTooLarge(RequestError):
    """The picture has more pixels than ONCO_MAX_IMAGE_PIXELS, by its header; it is not decoded."""

    status, code, title = 413, "image_too_large", "The picture has too many pixels"
    advice = "Scale the picture down or cut it into parts."

    def __init__(self, width: int, height: int, limit_pixels: int) -> None:
        super().__init__(f"The picture is {width} x {height} = {width * height} pixels; the limit is {limit_pixels}.")


class AreaTooLarge(RequestError):
    """At the model's resolution the picture has more pixels than fit into memory; none of them was computed."""

    status, code, title = 413, "area_too_large", "The picture covers too large an area"
    advice = "Cut it into parts, or check um_per_px."

    def __init__(self, um_per_px: float | None, pixels: int, limit_pixels: int) -> None:
        at = "With its tiles" if um_per_px is None else f"At {um_per_px:.3g} micrometres per pixel"
        super().__init__(
            f"{at} the picture has {pixels} pixels of the model's resolution; the limit is {limit_pixels}."
        )


class AnswerTooLarge(RequestError):
    """The result and all that is drawn of it are more than an answer may be."""

    status, code, title = 413, "answer_too_large", "The whole result is too large"
    advice = "Ask for the document alone, or cut the picture into parts."

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"The result's files take {size_bytes} bytes and more; the limit is {limit_bytes}.")


class ImageTooComplex(RequestError):
    """The file has more scans, segments or chunks than a picture needs; it could take minutes to decode."""

    status, code, title = 413, "image_too_complex", "The picture's file has too many parts"
    advice = "Open the picture in an image editor and export it again."

    def __init__(self, what: str, met: int, limit: int) -> None:
        super().__init__(f"The file has at least {met} {what}; the limit is {limit}.")


class UnsupportedImage(RequestError):
    """The content, whatever the file's name, is no PNG, JPEG or DICOM image, or its pixels are coded in another way."""

    status, code, title = 415, "unsupported_image", "The file is not a PNG, JPEG or DICOM image"
    advice = "Convert the picture to PNG, JPEG or plain DICOM; a new file name alone does not change its content."

    def __init__(self, found: str, convert: str = "", words: str = "") -> None:
        how = f" This converts it: {convert}." if convert else ""
        more = f" {words}" if words else ""
        super().__init__(f"The content looks like {found}; this kind is not supported.{how}{more}")


class CorruptImage(RequestError):
    """The file is a PNG, JPEG or DICOM image that cannot be decoded to its end."""

    status, code, title = 422, "corrupt_image", "The picture is damaged"
    advice = "Export or download the file again; it may be cut off."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The picture cannot be decoded: {reason[:200]}.")


class OutOfScope(RequestError):
    """A DICOM file says that it is of another kind than the model is for."""

    status, code, title = 422, "out_of_scope", "The model is not for such pictures"
    advice = "Ask a model that is for them, see `scope` of its card; or correct the file's tags, if they are wrong."

    def __init__(self, model: str, fact: str, met: str, expected: Iterable[str]) -> None:
        super().__init__(f"The file says {fact}: {met[:64]}; {model} is for: {' or '.join(expected)}.")


class InvalidParameter(RequestError):
    """A parameter is unknown, given twice, or out of range."""

    status, code, title = 422, "invalid_parameter", "A parameter is not valid"
    advice = "See /docs for the parameters and their ranges."


class TooManyRequests(RequestError):
    """The caller sent more requests than its key, or ONCO_RATE_LIMIT_PER_MIN, allows."""

    status, code, title = 429, "too_many_requests", "Too many requests"
    advice, retry_after_s = "Try again after the time in Retry-After.", 1

    def __init__(self, limit_per_min: int, wait_s: float) -> None:
        self.retry_after_s = math.ceil(wait_s)
        met = f"{limit_per_min} requests were made, and the limit is {limit_per_min} a minute"
        super().__init__(f"{met}; the next is allowed in {wait_s:.3g} s.")


class HeadTooLarge(RequestError):
    """The request line and the headers together are too long."""

    status, code, title = 431, "head_too_large", "The request's address and headers are too long"
    advice = "Send fewer or shorter headers and parameters."

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"Together they have more than {limit_bytes} bytes, which is the limit.")
