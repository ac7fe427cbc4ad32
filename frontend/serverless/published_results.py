"""GET and DELETE /v1/results/{id} where results lie in S3: callers are led there, the bytes do not pass by here."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse

from frontend.http.links import RESULTS
from frontend.routes.answers import problems
from oncoserve.errors import InvalidParameter
from oncoserve.jobs.aws.s3_publisher import S3Publisher


def router(publisher: S3Publisher) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(prefix=RESULTS, tags=["results"])

    @routes.get("/{result}", summary="A result", status_code=307, responses=problems(404, 422, 503))
    async def read_result(result: str, request: Request) -> RedirectResponse:
        """Follow the redirection at once: the address is good for some minutes."""
        _as_published(request)
        return RedirectResponse(await publisher.address(request.state.owner, result))

    @routes.get("/{result}/{name}", summary="A file of a result", status_code=307, responses=problems(404, 422, 503))
    async def read_file(result: str, name: str, request: Request) -> RedirectResponse:
        """Follow the redirection at once: the address is good for some minutes."""
        _as_published(request)
        return RedirectResponse(await publisher.address(request.state.owner, result, name))

    @routes.delete("/{result}", summary="Delete a result", status_code=204, responses=problems(404, 503))
    async def delete_result(result: str, request: Request) -> None:
        """Its files and its document are gone from the bucket when the answer comes."""
        await publisher.delete(request.state.owner, result)

    return routes


def _as_published(request: Request) -> None:
    """Refuse options: nothing is drawn here.

    Raises:
        InvalidParameter
    """
    for name in request.query_params:
        raise InvalidParameter(
            f"{name[:64]!r} cannot be chosen here: results of jobs are kept as files, made with the defaults. "
            "A service that draws results itself takes it."
        )
