"""Who may ask, and how often. Pure ASGI, before routing and before a byte of the body is read."""

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from frontend.http.links import path_of, root_of
from frontend.http.problems import PROBLEM_CONTENT, problem
from frontend.http.rate_limit import RateLimit
from oncoserve.errors import PlatformError, TooManyRequests, Unauthorised
from oncoserve.keys import KeyFile

HEADER = "X-API-Key"
# What a browser loads before it can have a key, and what orchestrators ask. Everything else needs one, even /metrics
# and addresses that do not exist: a new route is closed until it is named here.
OPEN = frozenset({"/", "/jobs", "/errors", "/docs", "/openapi.json", "/livez", "/readyz", "/v1/samples", ""})
# Pages below /results/ and /jobs/ are empty where keys are needed; their scripts fetch what is in them with the key.
# Sample pictures are of nobody who could ask for secrecy, and the page shows them before it has a key.
OPEN_FOLDERS = ("/results/", "/jobs/", "/static/", "/static-offline-docs/", "/samples/", "/v1/samples/")


class Access:
    """Lets a request in, and notes in `state.owner` whose results it may see: the key's name, None without keys.

    Args:
        app: what to wrap.
        keys: the keys; None lets everybody in.
        rates: counts requests by key, or by address where there are no keys.
    """

    def __init__(self, app: ASGIApp, keys: KeyFile | None, rates: RateLimit) -> None:
        self._app = app
        self._keys = keys
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event; see the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope["state"]
        state["owner"] = None
        try:
            if not is_open(path_of(scope)):
                state["owner"] = self._admit(scope)
        except PlatformError as error:
            state["error_code"] = error.code
            await problem(error, state["request_id"], root_of(scope))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _admit(self, scope: Scope) -> str | None:
        if self._keys is None:
            address, _ = scope.get("client") or ("unknown", 0)
            self._rates.take(address)
            return None
        given = next((value for name, value in scope["headers"] if name == b"x-api-key"), None)
        key = None if given is None else self._keys.find(given)
        if key is None:
            raise Unauthorised("There is no header X-API-Key." if given is None else "The key given is not known.")
        self._rates.take(key.name, key.per_min)
        return key.name


def is_open(path: str) -> bool:
    """Whether the address needs no key and counts against no limit."""
    return path in OPEN or path.startswith(OPEN_FOLDERS)


def describe(app: FastAPI, *, keys: bool, rates: bool) -> None:
    """Say in the OpenAPI document what this module does: which operations need a key, and how it refuses."""
    refusals = [error for error, used in ((Unauthorised, keys), (TooManyRequests, rates or keys)) if used]
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        if keys:
            scheme = {"type": "apiKey", "in": "header", "name": HEADER}
            document["components"]["securitySchemes"] = {"api_key": scheme}
        for path, operations in document["paths"].items():
            for operation in operations.values() if not is_open(path) else ():
                if keys:
                    operation["security"] = [{"api_key": []}]
                for error in refusals:
                    answer = {"description": error.title, "content": PROBLEM_CONTENT}
                    operation["responses"][str(error.status)] = answer
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document
