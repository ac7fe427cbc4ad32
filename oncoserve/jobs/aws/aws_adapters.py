"""All adapters of AWS."""

from dataclasses import dataclass

from oncoserve.jobs.aws.clients import Connection
from oncoserve.jobs.aws.dynamo_store import DynamoStore
from oncoserve.jobs.aws.s3_objects import S3Objects
from oncoserve.jobs.aws.s3_publisher import S3Publisher
from oncoserve.jobs.aws.sqs_queue import SnsSqsQueue
from oncoserve.jobs.job import RECORD_KEPT
from oncoserve.jobs.ports import Adapters, Show
from oncoserve.prediction.model_files import read_cards
from oncoserve.runtime.service_clock import WallClock
from oncoserve.settings import Settings


@dataclass(frozen=True)
class AwsAdapters(Adapters):
    """With a publisher that can be asked for addresses, and what SageMaker's half of jobs needs besides."""

    objects: S3Objects
    queue: SnsSqsQueue
    publisher: S3Publisher
    connection: Connection


def open_aws(settings: Settings, show: Show) -> AwsAdapters:
    """The adapters; AWS is asked for the first time when one is used.

    Args:
        settings: where things are in AWS.
        show: a result's document as callers get it.
    """
    connection = Connection(settings.aws_endpoint_url)
    cards, _ = read_cards(settings.model_repository)
    models = sorted(settings.only_models or cards)
    objects = S3Objects(connection, settings.aws_bucket, settings.aws_results_host, settings.aws_cdn_key_id)

    async def close() -> None:
        await objects.close()
        await connection.close()

    queue = SnsSqsQueue(connection, settings.aws_topic, settings.aws_queue_prefix, models, settings.job_lease_s)
    return AwsAdapters(
        objects,
        queue,
        DynamoStore(connection, settings.aws_table, RECORD_KEPT.total_seconds(), queue),
        S3Publisher(objects, show),
        WallClock(),
        close,
        connection,
    )
