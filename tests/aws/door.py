"""A door before a server, which can be shut for a while."""

import asyncio


class Door:
    """Passes connections on to a port of 127.0.0.1 while it is open; an async context manager.

    Args:
        port: the server's.
    """

    def __init__(self, port):
        self._to = port
        self._inside = set()
        self.open = True

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self.shut()
        self._server.close()

    def shut(self):
        """Break all connections, and take no more."""
        self.open = False
        for writer in self._inside:
            writer.transport.abort()

    async def _accept(self, reader, writer):
        if not self.open:
            writer.transport.abort()
            return
        there = await asyncio.open_connection("127.0.0.1", self._to)
        pair = {writer, there[1]}
        self._inside |= pair
        try:
            await asyncio.gather(_pass(reader, there[1]), _pass(there[0], writer))
        except OSError:
            pass  # one side went away
        finally:
            self._inside -= pair
            for each in pair:
                each.close()


async def _pass(reader, writer):
    while data := await reader.read(2**16):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
