"""`python -m loadtest.jobs.poisoned_worker`: the worker as it is, but one picture is its death."""

import asyncio
import os
import signal
from dataclasses import replace

from oncoserve.jobs.ports import ObjectStore, PresignedUpload
from oncoserve.runtime import logs
from oncoserve.settings import Settings
from oncoserve.wiring import open_adapters
from oncoserve.worker_process import work

POISON = "this picture kills the worker"


class DeadlyStore:
    """An object store whose reader dies of the poison without a word, as of a defect in a decoder."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.put, self.delete, self.sweep = store.put, store.delete, store.sweep
        self.presign_get = store.presign_get

    async def get(self, key: str, first_bytes: int | None = None) -> bytes:
        """See the port."""
        data = await self._store.get(key, first_bytes)
        if POISON.encode() in data:
            os.kill(os.getpid(), signal.SIGKILL)
        return data

    async def presign_put(
        self, key: str, size_bytes: int, expires_s: int, sha256: str | None = None
    ) -> PresignedUpload | None:
        """See the port."""
        return await self._store.presign_put(key, size_bytes, expires_s, sha256)


async def main() -> None:
    """Work until the process is killed, or SIGTERM comes."""
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    adapters = open_adapters(settings)
    await work(settings, replace(adapters, objects=DeadlyStore(adapters.objects)), stop)


if __name__ == "__main__":
    asyncio.run(main())
