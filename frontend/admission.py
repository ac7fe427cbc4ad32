"""How many requests per model may be under way in this process. The rest is refused at once, before any work."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from frontend.errors import TooBusy


class Admission:
    """A counter with a limit per model.

    Args:
        limit: requests per model that may be under way at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.in_flight: Counter[str] = Counter()

    def check(self, model: str) -> None:
        """Refuse early, before the body is read.

        Raises:
            TooBusy: the limit is reached.
        """
        if self.in_flight[model] >= self._limit:
            raise TooBusy(model, self.in_flight[model], self._limit)

    @contextmanager
    def place(self, model: str) -> Iterator[None]:
        """Hold one place for the length of the block.

        Raises:
            TooBusy: the limit is reached.
        """
        self.check(model)
        self.in_flight[model] += 1
        try:
            yield
        finally:
            self.in_flight[model] -= 1
