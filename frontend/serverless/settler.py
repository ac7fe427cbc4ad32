"""What AWS Lambda calls with SageMaker's notices: `handler`. What is not settled comes again, or is a dead letter."""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

from frontend.http.links import shown
from frontend.serverless.queue_events import Context, Delivery, MessagesLeft, deliveries, kept, work_on
from oncoserve.jobs.aws.aws_adapters import open_aws
from oncoserve.jobs.sagemaker.halves import open_settler
from oncoserve.runtime import logs
from oncoserve.settings import Settings


@cache
def _answer() -> Callable[[dict[str, Any], Context], dict[str, Any]]:
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    settler = open_settler(settings, open_aws(settings, shown))
    loop = asyncio.new_event_loop()  # the one that the connections to AWS stay open in

    async def settle(given: Delivery) -> None:
        await settler.settle(given.body)

    def answer(event: dict[str, Any], context: Context) -> dict[str, Any]:
        given = {each.id for each in deliveries(event)}
        done = loop.run_until_complete(work_on(event, context, settle))
        if not done:
            raise MessagesLeft(f"all {len(given)}")
        return kept(given - done)

    return answer


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Settle the images that one event of SQS tells of."""
    return _answer()(event, context)
