"""Leaving without losing a request: first not ready, then no longer listening, then gone."""


class Draining:
    """Whether the process is about to stop.

    A proxy needs a moment to notice, and sends requests until then, so they are still taken for a while.
    """

    def __init__(self) -> None:
        self.active = False
