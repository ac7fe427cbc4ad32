"""What AWS Lambda calls with the messages of images that SageMaker is to compute: `handler`.

It reports every message as failed. Lambda then deletes none, and does not poll any slower for it: each stays hidden for
as long as it was told here, and is deleted by whoever settles its image. The decision 0020 has the sources.
"""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

from frontend.http.links import shown
from frontend.serverless.queue_events import Context, Delivery, MessagesLeft, deliveries, kept, work_on
from oncoserve.jobs.aws.aws_adapters import open_aws
from oncoserve.jobs.sagemaker.halves import open_feeder
from oncoserve.runtime import logs
from oncoserve.settings import Settings


@cache
def _answer() -> Callable[[dict[str, Any], Context], dict[str, Any]]:
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    adapters = open_aws(settings, shown)
    feeder = open_feeder(settings, adapters)
    loop = asyncio.new_event_loop()  # the one that the connections to AWS stay open in

    async def feed(given: Delivery) -> None:
        model = given.queue.removeprefix(settings.aws_queue_prefix)
        lease = await adapters.queue.accept(model, given.body, given.receipt, given.deliveries)
        if lease is not None:
            await feeder.feed(lease)

    def answer(event: dict[str, Any], context: Context) -> dict[str, Any]:
        given = {each.id for each in deliveries(event)}
        if left := given - loop.run_until_complete(work_on(event, context, feed)):
            raise MessagesLeft(f"{len(left)} of {len(given)}")
        return kept(given)

    return answer


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Send the images of one event of SQS to their endpoint."""
    return _answer()(event, context)
