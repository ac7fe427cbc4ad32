"""What AWS Lambda calls for a request: `handler`. Imported once per instance, which then answers many."""

import asyncio
from typing import Any

from mangum import Mangum

from frontend.serverless.function_app import create_lambda_app
from oncoserve.runtime import logs
from oncoserve.settings import Settings

# API Gateway reads the bytes of everything else from base64.
TEXT_TYPES = ["application/json", "application/problem+json"]


def _make() -> Mangum:
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    asyncio.set_event_loop(asyncio.new_event_loop())  # the one that the connections to AWS stay open in
    return Mangum(create_lambda_app(settings), lifespan="off", text_mime_types=TEXT_TYPES)


_application = _make()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own
    """Answer one event of API Gateway: of an HTTP API (payload format 2.0) or of a REST API (1.0)."""
    if "http" not in event["requestContext"]:
        # As the caller wrote it; the other one lacks the stage, which a REST API's paths begin with: v1 or livez.
        event = {**event, "path": event["requestContext"]["path"].rstrip("/") or "/"}
    return _application(event, context)
