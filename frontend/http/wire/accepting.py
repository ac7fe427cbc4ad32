"""Takes connections from a port that several processes listen on, so that each of them has as many as the others.

Left alone, the first process to look takes every connection that waits: of eight that a caller opens and keeps, one
process may get all and another none. Envoy calls what is done here exact balance.
"""

import asyncio
import contextlib
import os
import select
import socket
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from oncoserve.runtime.sharing import Counts

CONNECTIONS: Final = "connections"
"""What processes count them under; also the name of these counts in the state of a server that shares its port."""
HELD, LISTENS = range(2)
"""The fields: a process's connections, and whether it takes any."""

OTHERS_FIRST_S: Final = 0.05
"""For how long connections are left to a process that has fewer. After that whoever is there takes all that wait: the
other one hangs, or was killed, or has so much to do that it does not look."""
LOOK_AGAIN_S: Final = 0.001
NO_ROOM_S: Final = 0.1
"""For how long connections are left to other processes where this one has no descriptor for them."""
_WAITING_AT: Final = 24  # `tcpi_unacked` in struct tcp_info of linux/tcp.h: of a listening socket, how many wait

MakeProtocol = Callable[[Callable[[], None]], asyncio.Protocol]


class Door:
    """A listening socket, in the place of `asyncio.Server`.

    Args:
        listener: shared with other processes.
        protocol: makes what handles a connection, and calls what it is given when the connection is over.
        load: where the processes tell each other what they hold; `HELD` and `LISTENS`.
    """

    def __init__(self, listener: socket.socket, protocol: MakeProtocol, load: Counts) -> None:
        listener.settimeout(0)  # another process may be quicker
        self._listener = listener
        self._protocol = protocol
        self._load = load
        self._loop = asyncio.get_running_loop()
        self._later: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[Any]] = set()
        self._spare: int | None = _spare()
        load.add(LISTENS, 1)
        self._watch()

    def close(self) -> None:
        """Take no more."""
        self._rest()
        self._give_up_spare()
        self._load.add(LISTENS, -1)

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    def _watch(self) -> None:
        self._loop.add_reader(self._listener, self._look)

    def _rest(self) -> None:
        self._loop.remove_reader(self._listener)
        if self._later is not None:
            self._later.cancel()

    def _rest_for(self, pause_s: float, then: Callable[[], None]) -> None:
        self._rest()
        self._later = self._loop.call_later(pause_s, then)

    def _look(self) -> None:
        """Somebody waits."""
        if (share := self._share()) > 0:
            self._take(share)
        else:
            self._leave_to_others(until=self._loop.time() + OTHERS_FIRST_S)

    def _leave_to_others(self, until: float) -> None:
        if self._loop.time() >= until:
            self._watch()
            self._take(self._waiting())
        elif anybody_waits([self._listener]) and self._share() <= 0:
            self._rest_for(LOOK_AGAIN_S, partial(self._leave_to_others, until))
        else:
            self._watch()

    def _share(self) -> int:
        """How many of those that wait this process takes until all processes have as many; 0 or less for none."""
        counts = zip(self._load.everybody(HELD), self._load.everybody(LISTENS), strict=True)
        held = [count for count, listens in counts if listens]
        return -(-(sum(held) + self._waiting()) // len(held)) - self._load.own(HELD)

    def _waiting(self) -> int:
        """How many connections wait, if any does; 1 where a sandbox's kernel does not say."""
        with contextlib.suppress(OSError, struct.error):
            info = self._listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _WAITING_AT + 4)
            return max(1, int(struct.unpack_from("I", info, _WAITING_AT)[0]))
        return 1

    def _take(self, count: int, *, last_try: bool = False) -> None:
        for _ in range(count):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor is left
                if last_try:
                    self._turn_away()
                else:
                    self._rest_for(NO_ROOM_S, self._try_again)
                return
            connection.settimeout(0)
            self._load.add(HELD, 1)
            task = self._loop.create_task(self._open(connection))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _try_again(self) -> None:
        self._watch()
        self._take(self._waiting(), last_try=True)

    def _turn_away(self) -> None:
        """Cut off who waits: a caller who is cut off asks elsewhere, and one who is left waiting does not."""
        self._give_up_spare()
        with contextlib.suppress(OSError):
            for _ in range(self._waiting()):
                self._listener.accept()[0].close()
        self._spare = _spare()

    def _give_up_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    async def _open(self, connection: socket.socket) -> None:
        held = True

        def lost() -> None:
            nonlocal held
            if held:
                held = False
                self._load.add(HELD, -1)

        try:
            await self._loop.connect_accepted_socket(partial(self._protocol, lost), connection)
        except OSError:  # it is over already
            connection.close()
            lost()


def anybody_waits(listeners: Sequence[socket.socket]) -> bool:
    """Whether there is a connection that no process has taken."""
    poll = select.poll()
    for each in listeners:
        poll.register(each, select.POLLIN)
    return bool(poll.poll(0))


def _spare() -> int | None:
    """A descriptor that can be given up for another; None where there is none."""
    with contextlib.suppress(OSError):
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    return None
