"""Each loss of a part is said in one line and counted."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter

from supervision.keeper import Cause, Loss

TRITON, COMMAND = "triton", "command"


def backend_of(model: str) -> str:
    """The name of a model's backend as a part."""
    return f"backend of {model}"


class Restarts:
    """What was lost and is brought back.

    Args:
        say: Tells the user something.
        registry: Gets the counts.
    """

    def __init__(self, say: Callable[[str], None], registry: CollectorRegistry) -> None:
        self._say = say
        self._restarts = Counter(
            "oncoserve_restarts", "Parts brought back, by cause.", ["part", "cause"], registry=registry
        )

    def expect(self, parts: Iterable[str]) -> None:
        """Begin to count these, at 0: a rate needs a value before the first loss."""
        for part in parts:
            for cause in Cause:
                self._restarts.labels(part, cause.value)

    def report(self, loss: Loss) -> None:
        """Say and count one."""
        self._restarts.labels(loss.part, loss.cause.value).inc()
        then = "It is given up." if loss.pause_s is None else f"It is started again in {loss.pause_s:.1f} s."
        self._say(f"Lost: {loss.part} ({loss.cause}): {loss.detail}. {then}")
