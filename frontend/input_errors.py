"""Errors for input that asks for more time, room or work than a request may have; the tree is in errors.py."""

from frontend.errors import RequestError, ServiceError


class RequestTimeout(RequestError):
    """The request stopped coming in, or came in too slowly; see ONCO_RECEIVE_TIMEOUT_S."""

    status, code, title = 408, "request_timeout", "The request did not come in in time"
    advice = "Send it again, over a better connection or with a smaller file."

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"Nothing, or too little, came in; the limit is {limit_s:.3g} s.")


class ImageTooComplex(RequestError):
    """More scans, segments or chunks than a picture needs: a small file that would take minutes to decode."""

    status, code, title = 413, "image_too_complex", "The picture's file has too many parts"
    advice = "Open the picture in an image editor and export it again."

    def __init__(self, what: str, met: int, limit: int) -> None:
        super().__init__(f"The file has at least {met} {what}; the limit is {limit}.")


class HeadTooLarge(RequestError):
    """The request line and the headers together are too long."""

    status, code, title = 431, "head_too_large", "The request's address and headers are too long"
    advice = "Send fewer or shorter headers and parameters."

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"They have more than {limit_bytes} bytes, which is the limit.")


class TooManyConnections(ServiceError):
    """As many connections are open as ONCO_MAX_CONNECTIONS allows."""

    status, code, title = 503, "too_many_connections", "The service has too many connections"
    advice = "Try again after the time in Retry-After."

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} connections are open, which is the limit.")
