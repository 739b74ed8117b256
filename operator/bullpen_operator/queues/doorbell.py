"""Hears of jobs that are added to queues at rest, a moment after they were added, instead of at the next tick.

One blocking XREAD over the event streams of all of them; in a cluster, which reads no streams of several slots at once,
one for each slot. It is a doorbell and never a count: streams are trimmed, so whoever is rung for goes and looks. Each
stream is read on from the entry that was the newest when the queue was last seen at rest, so that nothing that came
after is missed; without a doorbell the tick finds the same, later.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from redis.exceptions import ResponseError

from bullpen.farewell import hang_up
from bullpen_operator.queues.dial import dial
from bullpen_operator.queues.failures import failed_connection, refused_listening
from bullpen_operator.queues.outage import pause_after

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from redis.asyncio.connection import Connection

    from bullpen.protocol.location import RedisLocation
    from bullpen_operator.queues.location import Location
    from bullpen_operator.queues.question import Question

log = logging.getLogger(__name__)

MOST_SLOTS: Final = 50
"""In a cluster with queues at rest in more slots than this, the tick alone finds what was added."""
RINGS: Final = frozenset({b"added", b"waiting", b"delayed"})
_STREAMS_A_SECOND: Final = 200
"""A queue that comes to rest is listened to from the next XREAD on, so these are short while they are cheap."""
_LONGEST_BLOCK: Final = 5.0
_GAP_SECONDS: Final = 0.05
"""After a ring: a flood of events is not one of XREADs."""
_PAUSE_AFTER_REFUSAL: Final = 60.0
_ENTRIES: Final = 20
"""Of each stream at a time; a job leaves four or five."""


class Doorbell:
    """Calls `heard` with the queues that something was added to. `where` tells a queue's slot and its server.

    `timeout` in seconds, for connecting and beyond the time that a server may keep silent.
    """

    def __init__(
        self,
        location: Location,
        *,
        where: Callable[[Question], tuple[int, RedisLocation] | None],
        heard: Callable[[Collection[Question]], None],
        timeout: float,
    ) -> None:
        self._location = location
        self._where = where
        self._heard = heard
        self._timeout = timeout
        self._listeners: dict[int, _Listener] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for listener in self._listeners.values():
                group.create_task(listener.run())
            await asyncio.Event().wait()

    def listens(self, question: Question) -> bool:
        """Whether a job that is added to the queue now will ring at once."""
        place = self._where(question)
        listener = self._listeners.get(place[0]) if place is not None else None
        return listener is not None and listener.listens(question.keys.events)

    def watch(self, at_rest: Mapping[Question, str], *, still: Iterable[Question] = ()) -> None:
        """These queues and no others, each from the entry with this ID on; those `still` at rest from where it is. One
        that was rung for is watched no more until it is named here with an ID.
        """
        servers: dict[int, RedisLocation] = {}
        queues: dict[int, dict[Question, str]] = {}
        for question, newest in at_rest.items():
            place = self._where(question)
            if place is not None:
                servers[place[0]] = place[1]
                queues.setdefault(place[0], {})[question] = newest
        for question in still:
            place = self._where(question)
            listener = self._listeners.get(place[0]) if place is not None else None
            if place is not None and listener is not None and (known := listener.reached(question)) is not None:
                servers[place[0]] = place[1]
                queues.setdefault(place[0], {}).setdefault(question, known)
        if len(queues) > MOST_SLOTS:
            queues = {}
        for slot in queues.keys() - self._listeners.keys():
            listener = self._listeners[slot] = _Listener(self._location, heard=self._heard, timeout=self._timeout)
            if self._group is not None:
                self._group.create_task(listener.run())
        for slot, listener in self._listeners.items():
            listener.watch(servers.get(slot), queues.get(slot, {}))


class _Listener:
    """One connection and its XREAD, again and again; without anything to listen to there is no connection."""

    def __init__(self, location: Location, *, heard: Callable[[Collection[Question]], None], timeout: float) -> None:
        self._location = location
        self._heard = heard
        self._timeout = timeout
        self._server: RedisLocation | None = None
        self._watched: dict[str, str] = {}
        """From which entry on, by stream."""
        self._questions: dict[str, list[Question]] = {}
        """Pools may ask differently of one queue."""
        self._listened: dict[str, str] = {}
        """What the XREAD under way, or the last one, was given."""
        self._something = asyncio.Event()
        self._connection: Connection | None = None
        self._connected_to: RedisLocation | None = None
        self._failures = 0

    def listens(self, stream: str) -> bool:
        return self._connection is not None and stream in self._watched and stream in self._listened

    def reached(self, question: Question) -> str | None:
        """The ID from which on it listens to the queue, None when it does not."""
        return self._watched.get(question.keys.events)

    def watch(self, server: RedisLocation | None, queues: dict[Question, str]) -> None:
        self._server, self._watched, self._questions = server, {}, {}
        for question, newest in queues.items():
            stream = question.keys.events
            self._watched.setdefault(stream, newest)
            self._questions.setdefault(stream, []).append(question)
        (self._something.set if server is not None and queues else self._something.clear)()

    async def run(self) -> None:
        try:
            while True:
                if not self._something.is_set():
                    await self._hang_up()
                await self._something.wait()
                try:
                    rung = await self._listen()
                except Exception as error:  # noqa: BLE001 - a bulkhead: the lane goes on without a doorbell
                    await self._hang_up()
                    await asyncio.sleep(self._pause_after(error))
                    continue
                self._failures = 0
                if rung:
                    self._heard(rung)
                    await asyncio.sleep(_GAP_SECONDS)
        finally:
            await self._hang_up()

    async def _listen(self) -> list[Question]:
        """One XREAD: the queues that something was added to meanwhile."""
        server, watched, questions = self._server, dict(self._watched), self._questions
        if server is None or not watched:
            return []
        if self._connection is None or self._connected_to != server:
            await self._hang_up()
            self._connection = await dial(server, self._location.certificates, timeout=self._timeout)
            self._connected_to = server
        block = min(_LONGEST_BLOCK, max(1.0, len(watched) / _STREAMS_A_SECOND))
        command: tuple[str | int, ...] = ("XREAD", "COUNT", _ENTRIES, "BLOCK", int(block * 1000), "STREAMS")
        command += (*watched, *watched.values())
        self._listened = watched
        async with asyncio.timeout(block + self._timeout):
            await self._connection.send_packed_command(self._connection.pack_command(*command), check_health=False)
            reply = await self._connection.read_response()
        rung: list[Question] = []
        for name, entries in reply or ():
            stream = name.decode()
            if any(_event(fields) in RINGS for _, fields in entries):
                rung += questions[stream]
                self._watched.pop(stream, None)
            elif self._watched.get(stream) == watched[stream]:
                self._watched[stream] = entries[-1][0].decode()
        if not self._watched:
            self._something.clear()
        return rung

    def _pause_after(self, error: Exception) -> float:
        """Seconds until the next attempt; what will not mend by itself is tried again once a minute."""
        refused = isinstance(error, ResponseError)
        if self._failures == 0:
            why = (
                refused_listening(error, self._location)
                if isinstance(error, ResponseError)
                else failed_connection(error, self._location, at=0.0).message
            )
            log.warning("the doorbell is silent, jobs are found at the next tick: %s", why)
        self._failures += 1
        return _PAUSE_AFTER_REFUSAL if refused else pause_after(self._failures - 1)

    async def _hang_up(self) -> None:
        connection, self._connection, self._connected_to = self._connection, None, None
        await hang_up(connection)


def _event(fields: list[bytes]) -> bytes | None:
    """The name of the event among the names and values of an entry."""
    pairs = dict(zip(fields[::2], fields[1::2], strict=False))
    return pairs.get(b"event")
