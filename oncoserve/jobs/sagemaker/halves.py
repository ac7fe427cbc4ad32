"""Both halves, made from the settings."""

from oncoserve.jobs.attempts import Attempts
from oncoserve.jobs.aws.aws_adapters import AwsAdapters
from oncoserve.jobs.sagemaker.endpoints import Endpoints
from oncoserve.jobs.sagemaker.feeding import UNHEARD, Feeder
from oncoserve.jobs.sagemaker.settling import Settler
from oncoserve.jobs.sagemaker.tickets import Tickets
from oncoserve.runtime.metrics import Metrics
from oncoserve.settings import Settings


def open_feeder(settings: Settings, adapters: AwsAdapters) -> Feeder:
    """The first half."""
    tickets = Tickets(adapters.connection, settings.aws_bucket)
    endpoints = Endpoints(adapters.connection, settings.aws_bucket, settings.aws_queue_prefix)
    return Feeder(adapters, tickets, endpoints, _attempts(settings, adapters))


def open_settler(settings: Settings, adapters: AwsAdapters) -> Settler:
    """The second half."""
    tickets = Tickets(adapters.connection, settings.aws_bucket)
    return Settler(adapters, adapters.objects, settings.aws_bucket, tickets, _attempts(settings, adapters))


def _attempts(settings: Settings, adapters: AwsAdapters) -> Attempts:
    return Attempts(adapters, settings.job_max_attempts, Metrics(), UNHEARD)
