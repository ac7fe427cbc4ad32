"""Several processes of Locust for one run: a master that counts, and workers that send."""

from collections.abc import Mapping
from typing import Any, Final

import gevent
from locust.env import Environment
from locust.runners import MasterRunner

LONGEST_WAIT_S: Final = 60.0
_DRAWN: Final = "drawn"


def say_when_drawn(environment: Environment) -> None:
    """In a worker: let its reports to the master say that it has its pictures."""
    hooks: Any = environment.events  # whose methods are not annotated

    def add(data: dict[str, Any], **_: object) -> None:
        data[_DRAWN] = True

    hooks.report_to_master.add_listener(add)


class Workers:
    """In a master: which workers have their pictures. Without them a run would begin with seconds of nothing.

    Args:
        environment: Of the master.
    """

    def __init__(self, environment: Environment) -> None:
        self._drawn: set[str] = set()
        hooks: Any = environment.events
        hooks.worker_report.add_listener(self._hear)

    def wait(self, runner: MasterRunner) -> None:
        """Return when all that are connected have them, or after a while in any case."""
        with gevent.Timeout(LONGEST_WAIT_S, exception=False):
            while not self._drawn.issuperset(runner.clients):
                gevent.sleep(0.1)

    def _hear(self, client_id: str, data: Mapping[str, Any], **_: object) -> None:
        if _DRAWN in data:
            self._drawn.add(client_id)
