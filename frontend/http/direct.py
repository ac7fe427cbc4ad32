"""A route for the one address that has to be quick: without FastAPI's dependency injection, and without its router."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from frontend.http import problems as error_handlers
from frontend.http.links import path_of
from oncoserve.errors import PlatformError


class DirectRoute(APIRoute):
    """Calls its endpoint with the path's parameters, as text, and the request; it has to return a response.

    The endpoint is in the OpenAPI document like any other. What FastAPI does for others before and after the call
    (resolving dependencies, building a model of the answer) costs a small upload a few percent: decision 13.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function that answers a request; see FastAPI's chapter on custom request and route classes."""

        async def handle(request: Request) -> Response:
            response: Response = await self.endpoint(**request.path_params, request=request)
            return response

        return handle


class Shortcut:
    """The innermost middleware: it knows the addresses of direct routes, and leaves all others to the application.

    The way through FastAPI's routers, their exit stacks and two layers of error handlers takes as long as the endpoint
    itself. Errors are answered by the same function.

    Args:
        app: what to wrap.
        routes: those to look at.
    """

    def __init__(self, app: ASGIApp, routes: list[DirectRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event; see the ASGI specification."""
        if scope["type"] == "http":
            path = path_of(scope)
            for route in self._routes:
                match = route.path_regex.fullmatch(path) if scope["method"] in (route.methods or ()) else None
                if match is not None:
                    scope.update(route=route, path_params=match.groupdict())
                    response = await self._answer(route, Request(scope, receive, send))
                    await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(self, route: DirectRoute, request: Request) -> Response:
        try:
            response: Response = await route.endpoint(**request.path_params, request=request)
        except (PlatformError, HTTPException) as error:
            return await error_handlers.handle(request, error)
        return response


def shorten(app: FastAPI, router: APIRouter) -> None:
    """Add a shortcut to the direct routes of a router that the application includes."""
    routes = [route for route in router.routes if isinstance(route, DirectRoute)]
    if routes:
        app.user_middleware.append(Middleware(Shortcut, routes=routes))  # `add_middleware` would put it outermost
