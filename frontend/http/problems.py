"""Errors as RFC 9457 problem details, rendered in one place."""

import errno
import json
import logging
import os

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from frontend.http.links import root_of
from frontend.http.methods import OPTIONS, allowed
from oncoserve.errors import (
    InternalError,
    InvalidParameter,
    MalformedRequest,
    MethodNotAllowed,
    OutOfResources,
    PlatformError,
    RequestTimeout,
    RouteNotFound,
)

MEDIA_TYPE = "application/problem+json"
PROBLEM_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}  # for the OpenAPI document

OF_THE_MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM})
NOT_JSON = "The body is not JSON, from character {} on."

log = logging.getLogger(__name__)


def problem(error: PlatformError, request_id: str, root: str = "") -> Response:
    """The answer for an error.

    Args:
        error: what went wrong.
        request_id: of the request.
        root: see `links.root_of`.
    """
    body = {
        "type": f"{root}/errors#{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id,
    }
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if error.challenge is not None:
        headers["WWW-Authenticate"] = error.challenge
    if isinstance(error, RequestTimeout):
        headers["Connection"] = "close"  # the rest of the request will not be read
    return Response(json.dumps(body), error.status, headers, MEDIA_TYPE)


def translate(error: Exception) -> PlatformError:
    """Our error for any exception; unknown ones become a generic 500 that reveals nothing."""
    match error:
        case PlatformError():
            return error
        case HTTPException(status_code=404):
            return RouteNotFound()
        case HTTPException(status_code=405):
            return MethodNotAllowed()
        case HTTPException(status_code=status) if 400 <= status < 500:  # noqa: PLR2004 - what Starlette's parsers raise
            return _malformed(str(error.detail))
        case RequestValidationError():
            first = error.errors()[0]
            place = first["loc"][-1]
            is_json = first["type"] != "json_invalid"
            return InvalidParameter(f"{place}: {first['msg']}." if is_json else NOT_JSON.format(place))
        case _:
            return _unexpected(error)


def _malformed(words: str) -> PlatformError:
    if words == "There was an error parsing the body":  # FastAPI's, for what is no UTF-8
        return InvalidParameter(NOT_JSON.format(1))
    return MalformedRequest(f"{words[:200].rstrip('.')}.")


def _unexpected(error: Exception) -> PlatformError:
    """Tell what the machine or the process has none of from a defect of the service."""
    while isinstance(error, ExceptionGroup):  # of tasks that failed together
        error = error.exceptions[0]
    number = errno.ENOMEM if isinstance(error, MemoryError) else getattr(error, "errno", None)
    return OutOfResources(os.strerror(number).lower()) if number in OF_THE_MACHINE else InternalError()


async def handle(request: Request, error: Exception) -> Response:
    """The answer for anything that a route raises; the request's state notes its code."""
    ours = translate(error)
    if request.scope["path"] == "*":  # the service as a whole, which only OPTIONS can mean
        ours = MethodNotAllowed()
    if request.method == OPTIONS and isinstance(ours, MethodNotAllowed):
        return Response(status_code=204, headers={"Allow": _allowed(request, error)})
    request.state.error_code = ours.code
    answer = problem(ours, request.state.request_id, root_of(request.scope))
    if isinstance(ours, MethodNotAllowed):
        answer.headers["Allow"] = _allowed(request, error)
    return answer


def _allowed(request: Request, error: Exception) -> str:
    """The methods of the address; Starlette names only those of the first route with this address."""
    paths = request.app.openapi()["paths"]
    if request.scope["path"] == "*":
        return allowed({method.upper() for operations in paths.values() for method in operations})
    operations = paths.get(getattr(request.scope.get("route"), "path", ""), {})
    first = (getattr(error, "headers", None) or {}).get("Allow", "GET")  # files say nothing of their methods
    return allowed({method.upper() for method in operations} or set(first.split(", ")))


def install(app: FastAPI) -> None:
    """Let every error that a route can raise end in `problem`; unknown ones are left to the middleware."""
    for kind in (PlatformError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, handle)
