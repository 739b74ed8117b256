"""One connection for everything a process asks of Redis.

redis-py lends each command a connection of its own for a whole round trip. Here all commands of one turn of the event
loop leave in one write, and replies are handed out in the order they come in, which Redis guarantees is the order of
the commands. redis-py still does URLs, TLS, AUTH and the handshake; from then on its streams are ours.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import hiredis

from bullpen.client.dial import dial, refusal
from bullpen.client.election import switched
from bullpen.client.incoming import Incoming
from bullpen.client.pauses import Pauses
from bullpen.client.request import Request, pack, packed
from bullpen.client.route import Route
from bullpen.errors import BullpenError, ConnectionLost
from bullpen.farewell import hang_up

if TYPE_CHECKING:
    from types import TracebackType

    from redis.asyncio.connection import AbstractConnection

    from bullpen.protocol.call import Call
    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.location import LocationSource, RedisLocation

T = TypeVar("T")

_NOT_YET: Final = object()
# A cluster node has not run the command, because the slot is elsewhere, on its way, or nobody's at the moment. ASK is
# not followed: our scripts name one key, which does not exist, so the node that the slot moves to would run them on
# that half of the queue which has arrived.
_ELSEWHERE: Final = frozenset({"ASK", "CLUSTERDOWN", "MOVED", "TRYAGAIN"})


class _Refused(Exception):
    """An error reply, told apart from data."""


class _Broken(Exception):
    """Why a connection ended."""


class Link:
    """A multiplexed connection that comes back by itself.

    Use it as an async context manager, on one event loop. A call waits at most `timeout` seconds for its answer,
    connecting included. `location` may be a function, which is asked at every attempt to connect: credentials that
    were rotated meanwhile are picked up there. `queue` says whose keys the calls are about, which a cluster needs to
    know: there a link serves the queues of one slot (`bullpen.client.links`).
    """

    def __init__(
        self,
        location: RedisLocation | LocationSource,
        *,
        timeout: float = 10.0,
        name: str | None = None,
        queue: QueueKeys | None = None,
    ) -> None:
        self._route = Route(location, queue=queue)
        self._timeout = timeout
        self._name = name
        self._location: RedisLocation | None = None
        self._queued: deque[Request] = deque()
        self._sent: deque[Request] = deque()
        self._returned: list[Request] = []
        self._elsewhere = ""
        self._loaded: set[str] = set()
        self._writer: asyncio.StreamWriter | None = None
        self._flushing = False
        self._watch: asyncio.Handle | None = None
        self._trouble: Exception | None = None
        self._ended: str | None = "has not been opened"
        self._pauses = Pauses()

    async def __aenter__(self) -> Link:
        self._loop = asyncio.get_running_loop()
        self._ended = None
        self._server = self._loop.create_task(self._serve(), name="bullpen-link")
        self._server.add_done_callback(self._served)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connection; calls that are still waiting fail with ConnectionLost. May be called again."""
        if self._ended is not None:
            return
        self._ended = "was closed"
        self._server.cancel()
        await asyncio.wait([self._server])  # raises nothing of the task's, and lets our own cancellation through

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        return self._writer is not None

    @property
    def closed(self) -> bool:
        """Whether it will never connect again."""
        return self._ended is not None

    @property
    def location(self) -> RedisLocation | None:
        """The server it is, or was last, connected to."""
        return self._location

    async def run(self, call: Call[T]) -> T:
        """Sends the call and returns its parsed reply.

        Raises ConnectionLost (its `sent` tells whether the server may have run the call), ConfigurationError when
        Redis refuses the login or the command, ProtocolError for other error replies, and what the call's own
        `parse` raises.
        """
        future = self._queue(call)
        if self._sent or self._flushing:
            self._wake()
        else:  # nothing that it could leave with: the turn of the loop is saved
            self._watch_deadlines()
            self._flush()
        return call.parse(await future)

    def submit(self, call: Call[Any]) -> asyncio.Future[Any]:
        """Queues the call for the write at the end of this loop turn; the future gets the reply, unparsed.

        Calls submitted in one turn reach Redis in that order, save that one whose script Redis has lost (SCRIPT FLUSH,
        failover) is repeated after the others. Cancelling the future before it is sent takes the
        call back; later, its reply is dropped.
        """
        future = self._queue(call)
        self._wake()
        return future

    def _queue(self, call: Call[Any]) -> asyncio.Future[Any]:
        if self._ended is not None:
            raise ConnectionLost(f"the Redis link {self._ended}: open a new one", sent=False)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queued.append(Request(packed(call), call, future, self._loop.time() + self._timeout))
        return future

    def _wake(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        self._watch_deadlines()

    def _watch_deadlines(self) -> None:
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout, self._check_deadlines)

    def _flush(self) -> None:
        """Writes everything queued in one piece; without a connection it stays queued."""
        self._flushing = False
        if self._writer is None or self._returned:
            return
        parts = []
        while self._queued:
            request = self._queued.popleft()
            if request.settled:
                continue
            script = request.script
            if script is not None and script.sha1 not in self._loaded:
                self._loaded.add(script.sha1)
                load = Request(pack(("SCRIPT", "LOAD", script.text)), request.call, None, request.deadline)
                parts.append(load.wire)
                self._sent.append(load)
            parts.append(request.wire)
            self._sent.append(request)
        if parts:
            self._writer.write(b"".join(parts))

    def _check_deadlines(self) -> None:
        """Fails what has waited too long. Both queues are in order of their deadlines, so the heads tell."""
        self._watch = None
        now = self._loop.time()
        while self._queued and self._queued[0].deadline <= now:
            why = self._trouble or "no connection yet"
            self._queued.popleft().fail(
                ConnectionLost(f"Redis was not reached within {self._timeout:g} s: {why}", sent=False)
            )
        if self._sent and self._sent[0].deadline <= now:
            # Whatever is wrong, the replies behind this one are late too: start over.
            self._abort(f"{self._sent[0].title} got no answer within {self._timeout:g} s")
        elif self._sent or self._queued:
            heads = [queue[0].deadline for queue in (self._sent, self._queued) if queue]
            self._watch = self._loop.call_at(min(heads), self._check_deadlines)

    def _abort(self, why: str) -> None:
        self._lose(why)
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    async def _serve(self) -> None:
        """Connects, hands out replies until the connection ends, and so on until closed."""
        while True:
            try:
                self._location, connection = await dial(self._route, name=self._name)
            except ConnectionLost as error:
                self._trouble = error
            except BullpenError as error:
                # A refused login does not heal by waiting; the next attempt reads the URL anew all the same.
                self._trouble = error
                self._refuse_queued(error)
            else:
                await self._converse(connection)
            await asyncio.sleep(self._pauses.next())

    async def _converse(self, connection: AbstractConnection) -> None:
        # redis-py has no public name for its streams; this attribute has been there since 4.2.
        self._writer = connection._writer  # noqa: SLF001
        assert self._writer is not None  # noqa: S101 - it has just connected
        self._loaded.clear()
        replies = hiredis.Reader(replyError=_Refused, notEnoughData=_NOT_YET)
        transport = cast("asyncio.Transport", self._writer.transport)  # it reads too
        incoming = Incoming(transport, partial(self._receive, replies))
        watch = self._watch_for_switch()
        try:
            self._flush()
            await incoming.ended
        except (_Broken, OSError, hiredis.ProtocolError) as error:
            self._trouble = error
            self._lose(str(error))
        except asyncio.CancelledError:
            self._lose("the link was closed")
            raise
        finally:
            self._writer = None
            self._take_back()
            if watch is not None:
                watch.cancel()
                await asyncio.wait([watch])
            await hang_up(connection)

    def _watch_for_switch(self) -> asyncio.Task[None] | None:
        """Behind Sentinel: leaves a master as soon as another is elected, also one that does not know or answer."""
        if self._route.council is None or self._location is None:
            return None
        here = (self._location.host, self._location.port)
        watch = self._loop.create_task(switched(self._route.council, away_from=here), name="bullpen-switch-master")

        def leave(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and self._writer is not None:
                self._abort("the sentinels name another master")

        watch.add_done_callback(leave)
        return watch

    def _take_back(self) -> None:
        """What a cluster node did not run goes before what has waited meanwhile."""
        self._queued.extendleft(reversed(self._returned))
        if self._returned and self._watch is None:
            self._watch = self._loop.call_soon(self._check_deadlines)
        self._returned.clear()

    def _receive(self, replies: hiredis.Reader, data: bytes) -> None:
        replies.feed(data)
        while (reply := replies.gets()) is not _NOT_YET:
            self._hand_out(reply)
        if self._returned and not self._sent:
            raise _Broken(self._elsewhere)

    def _hand_out(self, reply: Any) -> None:
        if not self._sent:
            raise _Broken("Redis sent a reply that nothing asked for")
        request = self._sent.popleft()
        if isinstance(reply, _Refused):
            self._refused(request, str(reply))
        elif request.future is not None:  # any node loads scripts: only an answer to a call ends the pauses
            self._pauses.reset()
            if not request.future.done():
                request.future.set_result(reply)

    def _refused(self, request: Request, text: str) -> None:
        if self._location is not None and self._location.cluster and text.partition(" ")[0] in _ELSEWHERE:
            self._redirected(request, text)
            return
        self._pauses.reset()
        if text.startswith("NOSCRIPT") and request.script is not None and not request.repeated:
            # SCRIPT FLUSH, or another server took over: load it again and repeat, which nobody has run yet.
            request.repeated = True
            self._loaded.discard(request.script.sha1)
            if not request.settled:
                self._queued.append(request)
                self._wake()
            return
        error = refusal(text, title=request.title, location=self._location)
        if request.future is None:
            self._trouble = error  # a script that does not load: its calls will say so themselves
        request.fail(error)
        if text.startswith("READONLY"):
            raise _Broken("the server became a replica")

    def _redirected(self, request: Request, text: str) -> None:
        """Repeated on the next connection, which is made once everything sent is answered."""
        if text.startswith("MOVED"):
            self._route.moved(text, by=self._location)
            self._pauses.reset()  # it says where to go, however long nobody knew
        self._elsewhere = f"a node of the cluster has not run it: {text[:200]}"
        self._returned.append(request)

    def _lose(self, why: str) -> None:
        where = "" if self._location is None else f" to {self._location}"
        error_text = f"the Redis connection{where} was lost: {why}; the command may or may not have run"
        while self._sent:
            self._sent.popleft().fail(ConnectionLost(error_text, sent=True))

    def _refuse_queued(self, error: BullpenError) -> None:
        while self._queued:
            # A traceback per future: one exception object raised in many tasks would mix them up.
            self._queued.popleft().fail(type(error)(*error.args))

    def _served(self, task: asyncio.Task[None]) -> None:
        """The serving task ends by being closed, or by a bug, which must not leave callers waiting."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._ended = f"failed ({error!r})"
        elif self._ended is None:
            self._ended = "was cancelled"
        closed = ConnectionLost(f"the Redis link {self._ended}", sent=False)
        while self._queued:
            self._queued.popleft().fail(closed)
        self._lose(f"the link {self._ended}")
