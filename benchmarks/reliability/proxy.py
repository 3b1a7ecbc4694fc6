"""The network between workers and their database: a proxy that can stall, cut and forget connections."""

from __future__ import annotations

import asyncio
from pathlib import Path

CHUNK = 64 * 1024


class Proxy:
    """Passes bytes between a loopback port and a socket file, until told otherwise."""

    def __init__(self, upstream: Path) -> None:
        self._upstream = upstream
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[_Link] = set()

    async def start(self) -> int:
        """Listen; return the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stall(self) -> None:
        """Pass nothing on, and say nothing: as a cable that is pulled."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass on again, also what waited."""
        self._refusing = False
        self._flowing.set()

    def refuse(self) -> None:
        """Break every connection and every new one."""
        self._refusing = True
        self.reset()

    def reset(self) -> None:
        """Break the connections that are open; new ones work."""
        for link in list(self._open):
            link.abort()

    def forget(self) -> None:
        """Let the open connections hang for ever, as a firewall that has forgotten them; new ones work."""
        for link in self._open:
            link.forgotten = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = _Link(writer)
        self._open.add(link)
        try:
            if self._refusing:
                return
            await self._flowing.wait()
            up_reader, up_writer = await asyncio.open_unix_connection(str(self._upstream))
            link.other = up_writer
            ways = [self._pass(link, reader, up_writer), self._pass(link, up_reader, writer)]
            both = [asyncio.ensure_future(way) for way in ways]
            # Once one side has ended, the other is told so.
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for way in both:
                way.cancel()
            for end in (writer, up_writer):
                end.close()
            await asyncio.gather(*both, return_exceptions=True)
        except OSError:
            pass
        finally:
            writer.close()
            self._open.discard(link)
            self._tasks.discard(task)

    async def _pass(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            await self._flowing.wait()
            if link.forgotten:
                continue
            writer.write(chunk)
            await writer.drain()


class _Link:
    """One connection through the proxy."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.other: asyncio.StreamWriter | None = None
        self.forgotten = False

    def abort(self) -> None:
        for writer in (self._writer, self.other):
            if writer is not None:
                writer.transport.abort()
