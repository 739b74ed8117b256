"""What arrives on a connection, in the loop turn in which it arrives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Incoming(asyncio.Protocol):
    """Takes a connection over from the streams that opened it, whose reader would be woken a turn later.

    `received` gets all data; `ended` raises what it raised, or ConnectionResetError when the connection is over.
    """

    def __init__(self, transport: asyncio.Transport, received: Callable[[bytes], None]) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received = received
        self._streams = transport.get_protocol()
        transport.set_protocol(self)
        if transport.is_closing():  # whoever had it before was told
            self._end(None)

    def data_received(self, data: bytes) -> None:
        if self.ended.done():
            return
        try:
            self._received(data)
        except Exception as error:  # noqa: BLE001 - whoever waits for the end gets it
            self._end(error)

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._streams.connection_lost(exc)  # their `wait_closed` waits for it
        self._end(exc)

    def _end(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionResetError("the server closed the connection"))
