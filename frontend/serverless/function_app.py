"""The frontend in AWS Lambda: takes jobs and tells of them. It knows models from their cards alone."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from frontend.http import problems
from frontend.http.links import shown
from frontend.http.middleware import BodyLimit, RequestContext
from frontend.http.security_headers import SecurityHeaders
from frontend.routes import jobs as job_routes
from frontend.serverless import model_cards, published_results
from oncoserve import NOTICE, __version__
from oncoserve.errors import ModelNotFound, PlatformError, Unauthorised
from oncoserve.jobs.aws.aws_adapters import open_aws
from oncoserve.prediction.admission import FIELDS
from oncoserve.prediction.model_files import read_cards
from oncoserve.runtime.metrics import Metrics
from oncoserve.runtime.sharing import SharedCounts
from oncoserve.runtime.threads import CpuThreads
from oncoserve.runtime.tracing import Traces
from oncoserve.settings import Settings
from oncoserve.tasks import task_of_kind
from oncoserve.tasks.base import Task
from oncoserve.wiring import Memory, open_jobs

LIVENESS = "/livez"
# Lambda takes an event of 6 MB (6 * 1024 * 1024 bytes), in which API Gateway writes a body as base64: three quarters,
# less the headers. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_BODY_BYTES = 4_500_000


def create_lambda_app(settings: Settings) -> FastAPI:
    """Build the application.

    Args:
        settings: limits, and where things are in AWS.
    """
    adapters = open_aws(settings, shown)
    jobs = open_jobs(settings, adapters, CpuThreads(settings.cpu_threads))
    found, _ = read_cards(settings.model_repository)
    cards = {name: each.newest for name, each in found.items()}

    def task_of(model: str) -> Task:
        task = task_of_kind(cards[model].task) if model in cards else None
        if task is None:
            raise ModelNotFound(model, cards)
        return task

    app = FastAPI(title="Oncoserve", version=__version__, description=NOTICE, docs_url=None, redoc_url=None)
    budget = Memory.of(settings, SharedCounts(None, FIELDS)).bodies
    app.add_middleware(BodyLimit, limit_bytes=MAX_BODY_BYTES, timeout_s=settings.receive_timeout_s, budget=budget)
    app.add_middleware(OwnerOfEvent)
    app.add_middleware(RequestContext, metrics=Metrics(), traces=Traces(settings.otlp_endpoint))
    app.add_middleware(SecurityHeaders)
    problems.install(app)
    app.include_router(job_routes.router(jobs, task_of))
    app.include_router(model_cards.router(cards))
    app.include_router(published_results.router(adapters.publisher))

    @app.get(LIVENESS)
    async def livez() -> dict[str, str]:
        """The function runs."""
        return {"status": "alive"}

    return app


class OwnerOfEvent:
    """Notes in `state.owner` whom API Gateway's authoriser let in. Nobody comes in beside it.

    Args:
        app: what to wrap.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event; see the ASGI specification."""
        if scope["type"] == "http" and scope["path"] != LIVENESS:
            found = scope["aws.event"]["requestContext"].get("authorizer") or {}
            found = found.get("lambda") or found  # of an HTTP API, of a REST API
            try:
                if not found.get("owner"):
                    raise Unauthorised("API Gateway did not say who asks.")
            except PlatformError as error:
                await problems.problem(error, scope["state"]["request_id"])(scope, receive, send)
                return
            scope["state"]["owner"] = found["owner"]
        await self._app(scope, receive, send)
