"""A way to Redis that loses or garbles replies, as networks, proxies and servers do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress


class Wire:
    """A way to Redis that loses one reply: the first that holds `needle` is dropped, and its connection with it."""

    def __init__(self, url: str) -> None:
        self._there = int(url.rpartition("/")[0].rpartition(":")[2])
        self._url = url
        self._writers: set[asyncio.StreamWriter] = set()
        self._served: set[asyncio.Task[None]] = set()
        self._needle = b""
        self._then: Callable[[], None] = lambda: None
        self._garbled: tuple[bytes, bytes] | None = None
        self.lost = 0

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._served)

    @property
    def url(self) -> str:
        """The same database, this way."""
        return self._url.replace(str(self._there), str(self._server.sockets[0].getsockname()[1]))

    def lose(self, needle: bytes, *, then: Callable[[], None] = lambda: None) -> None:
        """Lose the next reply that holds the needle; `then` is called at that moment."""
        self._needle, self._then = needle, then

    def garble(self, reply: bytes, instead: bytes) -> None:
        """Hand on the next such reply as something else."""
        self._garbled = reply, instead

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", self._there)
        self._writers |= {writer, back}
        await asyncio.gather(self._forward(reader, back), self._forward(there, writer, may_lose=True))

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, may_lose: bool = False
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(1 << 16):
                if may_lose and self._needle and self._needle in data:
                    self._needle, self.lost = b"", self.lost + 1
                    self._then()
                    break
                if may_lose and self._garbled is not None and self._garbled[0] in data:
                    data, self._garbled = data.replace(*self._garbled), None
                sink.write(data)
                await sink.drain()
        sink.close()
