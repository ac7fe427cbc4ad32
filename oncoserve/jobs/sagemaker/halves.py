"""Both halves, made from the settings."""

from collections.abc import Mapping
from typing import Any

from oncoserve.jobs.attempts import Attempts
from oncoserve.jobs.aws.aws_adapters import AwsAdapters
from oncoserve.jobs.finding import kept
from oncoserve.jobs.sagemaker.endpoints import Endpoints
from oncoserve.jobs.sagemaker.feeding import UNHEARD, Feeder
from oncoserve.jobs.sagemaker.settling import Find, Settler
from oncoserve.jobs.sagemaker.tickets import Tickets
from oncoserve.prediction.model_files import read_cards
from oncoserve.runtime.metrics import Metrics
from oncoserve.settings import Settings
from oncoserve.tasks import task_of_kind


def open_feeder(settings: Settings, adapters: AwsAdapters) -> Feeder:
    """The first half."""
    tickets = Tickets(adapters.connection, settings.aws_bucket)
    endpoints = Endpoints(adapters.connection, settings.aws_bucket, settings.aws_queue_prefix)
    return Feeder(adapters, tickets, endpoints, _attempts(settings, adapters))


def open_settler(settings: Settings, adapters: AwsAdapters) -> Settler:
    """The second half."""
    tickets = Tickets(adapters.connection, settings.aws_bucket)
    attempts, find = _attempts(settings, adapters), _find(settings)
    return Settler(adapters, adapters.objects, settings.aws_bucket, tickets, attempts, find)


def _find(settings: Settings) -> Find:
    """By the models' cards: what can be said of a result is its task's to know."""
    cards, _ = read_cards(settings.model_repository)
    tasks = {name: task_of_kind(each.newest.task) for name, each in cards.items()}

    def find(model: str, document: Mapping[str, Any]) -> Mapping[str, Any] | None:
        task = tasks.get(model)
        return None if task is None else kept(task.finding(document))

    return find


def _attempts(settings: Settings, adapters: AwsAdapters) -> Attempts:
    return Attempts(adapters, settings.job_max_attempts, Metrics(), UNHEARD)
