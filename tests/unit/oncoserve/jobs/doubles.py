"""Adapters and inference servers that fail when they are told to, or note what they were asked."""


class Troubled:
    """Raises what it is told before each call, then calls; for an adapter or the inference server."""

    def __init__(self, inner, **errors):
        self._inner, self._errors, self.calls = inner, errors, 0

    def __getattr__(self, name):
        inner, errors = getattr(self._inner, name), self._errors.get(name)
        if errors is None:
            return inner

        async def call(*args, **kwargs):
            self.calls += 1
            if errors:
                raise errors.pop(0)
            return await inner(*args, **kwargs)

        return call


class Watched:
    """A queue that notes of each lease how often its message has been handed out."""

    def __init__(self, inner):
        self._inner, self.deliveries = inner, []

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def receive(self, *args):
        leases = await self._inner.receive(*args)
        self.deliveries += [lease.deliveries for lease in leases]
        return leases
