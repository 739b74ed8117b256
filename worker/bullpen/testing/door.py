"""A Redis inside the test's own process: fakeredis behind a socket of this machine, so that nothing of ours knows.

fakeredis has a server of its own; its connections break under pipelined calls and outlive a client that hangs up in a
blocking command. This one turns in a thread, because a test may block its event loop and locks are renewed by another.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from redis.exceptions import RedisError

from bullpen.protocol.location import RedisLocation
from bullpen.testing.extra import not_installed

try:
    import fakeredis
    import lupa  # noqa: F401 - fakeredis does without it until the first script
    from fakeredis.aioredis import AsyncFakeSocket
except ImportError as missing:  # pragma: no cover - the tests have it
    raise not_installed(missing) from missing

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

Data: TypeAlias = Any
"""A `fakeredis.FakeRedis`, which answers in bytes; its types, redis-py's, say that it may be anything."""

ADDRESS: Final = "127.0.0.1"
# What our scripts and our client ask for; the fake answers as that version does.
VERSION: Final = (7, 2)
END_SECONDS: Final = 5.0


class Door:
    """Opens with `open`, and is gone without a trace after `close`. One empty Redis each."""

    def __init__(self) -> None:
        self._server = fakeredis.FakeServer(version=VERSION)
        self._loop = asyncio.new_event_loop()
        self._callers: set[_Caller] = set()
        self._thread = threading.Thread(target=self._turn, name="bullpen-testing-redis", daemon=True)
        self._opened: concurrent.futures.Future[int] = concurrent.futures.Future()
        self.client: Data = fakeredis.FakeRedis(server=self._server, protocol=2)
        """The same data without a socket; to be used in `run` alone."""

    def open(self) -> RedisLocation:
        """Start, and say where it listens."""
        self._thread.start()
        port = self._opened.result(END_SECONDS)
        return RedisLocation(scheme="redis", host=ADDRESS, port=port)

    def close(self) -> None:
        """Hang up on everybody and end the thread. May be called again."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(END_SECONDS)

    def run(self, question: Callable[[Data], T]) -> concurrent.futures.Future[T]:
        """Do something with `client` while no other client is served: all of it happens at one moment."""
        answer: concurrent.futures.Future[T] = concurrent.futures.Future()

        def ask() -> None:
            try:
                answer.set_result(question(self.client))
            except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(ask)
        return answer

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            listening = self._loop.run_until_complete(self._listen())
            self._opened.set_result(listening.sockets[0].getsockname()[1])
            self._loop.run_forever()
            listening.close()
            self._loop.run_until_complete(self._hang_up())
        except BaseException as error:
            if not self._opened.done():
                self._opened.set_exception(error)
            raise
        finally:
            self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(lambda: _Caller(self._server, self._callers), ADDRESS, 0)

    async def _hang_up(self) -> None:
        for caller in tuple(self._callers):
            caller.hang_up()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close in a turn of their own


class _Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: fakeredis.FakeServer, callers: set[_Caller]) -> None:
        self._server = server
        self._callers = callers
        self._socket: _Socket | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP servers make
        self._transport = transport
        self._socket = _Socket(self._server, 0, client_class=fakeredis.FakeRedis, answer=self._answer)
        self._callers.add(self)

    def data_received(self, data: bytes) -> None:
        if self._socket is not None:
            self._socket.sendall(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._callers.discard(self)
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.leave()

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _answer(self, reply: Any) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encoded(reply))


class _Socket(AsyncFakeSocket):
    """fakeredis' side of a connection: hands replies on at once, and takes a blocking command back with its client."""

    def __init__(self, *arguments: Any, answer: Callable[[Any], None], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._answer = answer
        self._blocked_in: asyncio.Task[Any] | None = None

    def put_response(self, msg: Any) -> None:
        self._answer(msg)

    async def _async_blocking(self, *arguments: Any, **options: Any) -> None:
        self._blocked_in = asyncio.current_task()
        try:
            await super()._async_blocking(*arguments, **options)
        finally:
            self._blocked_in = None

    def leave(self) -> None:
        if self._blocked_in is None:
            self.close()
        else:
            self._blocked_in.add_done_callback(lambda _task: self.close())
            self._blocked_in.cancel()


def encoded(reply: Any) -> bytes:
    """A reply as RESP2 bytes."""
    match reply:
        case None:
            return b"$-1\r\n"
        case bool() | int():
            return b":%d\r\n" % reply
        case bytes():
            return b"$%d\r\n%s\r\n" % (len(reply), reply)
        case list() | tuple():
            return b"*%d\r\n%s" % (len(reply), b"".join(map(encoded, reply)))
        case RedisError():
            return f"-{_coded(reply)}\r\n".encode()
        case _:
            return encoded(str(reply).encode())


def _coded(error: RedisError) -> str:
    text = str(error).replace("\r", " ").replace("\n", " ")
    code = getattr(error, "status_code", None)  # redis-py takes it off the text of the replies it knows
    if code and not text.startswith(str(code)):
        return f"{code} {text}"
    return text if text.partition(" ")[0].isupper() else f"ERR {text}"
