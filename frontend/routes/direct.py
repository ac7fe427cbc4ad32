"""A route without FastAPI's dependency injection, for the one that has to be quick."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response


class DirectRoute(APIRoute):
    """Calls its endpoint with the path's parameters, as text, and the request; it has to return a response.

    The endpoint is in the OpenAPI document like any other. What FastAPI does for others before and after the call
    (resolving dependencies, building a model of the answer) is a tenth of what a small upload costs.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function that answers a request; see FastAPI's chapter on custom request and route classes."""

        async def handle(request: Request) -> Response:
            response: Response = await self.endpoint(**request.path_params, request=request)
            return response

        return handle
