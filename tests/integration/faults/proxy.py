"""A small HTTP proxy, as an operator would put before several frontends."""

import asyncio
import itertools

HEALTH = b"GET /readyz HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n"
POLL_S = 0.1


class Connection:
    """One connection to a frontend."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, port):
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request):
        self.writer.write(request)
        return await message(self.reader)

    async def close(self):
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


class Proxy:
    """Sends each request to the next frontend that /readyz called ready; an async context manager.

    It keeps connections to callers and to frontends open as long as both sides want that, and never repeats a request:
    what a frontend drops is lost.

    Args:
        ports: the frontends' ports on 127.0.0.1.
    """

    def __init__(self, ports):
        self.ready = dict.fromkeys(ports, False)
        self.forwarded = dict.fromkeys(ports, 0)
        self._turn = itertools.count()
        self._idle = {port: [] for port in ports}
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._tasks |= {asyncio.create_task(self._watch(port)) for port in self.ready}
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in itertools.chain(*self._idle.values()):
            await connection.close()

    async def _watch(self, port):
        while True:
            self.ready[port] = await self._is_ready(port)
            await asyncio.sleep(POLL_S)

    async def _is_ready(self, port):
        try:
            connection = await Connection.to(port)
        except OSError:
            return False
        try:
            async with asyncio.timeout(2):
                head, _ = await connection.ask(HEALTH)
        except (OSError, asyncio.IncompleteReadError):  # a timeout is an OSError, too
            return False
        finally:
            await connection.close()
        return head.startswith(b"HTTP/1.1 200")

    async def _accept(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            while True:
                head, body = await message(reader)
                writer.write(await self._forward(head + body))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the caller or the frontend closed, or the test is over
        finally:
            writer.close()

    async def _forward(self, request):
        ports = [port for port, ready in self.ready.items() if ready]
        if not ports:
            return b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
        port = ports[next(self._turn) % len(ports)]
        idle = self._idle[port]
        while idle and idle[-1].reader.at_eof():
            await idle.pop().close()
        connection = idle.pop() if idle else await Connection.to(port)
        self.forwarded[port] += 1
        keep = False
        try:
            head, body = await connection.ask(request)
            keep = b"\r\nconnection: close\r\n" not in head.lower()
        finally:
            if keep:
                idle.append(connection)
            else:
                await connection.close()
        return head + body


async def message(reader):
    """Head and body of a request or an answer with Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head, await reader.readexactly(int(lengths[0])) if lengths else b""
