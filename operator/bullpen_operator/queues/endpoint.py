"""One Redis, whatever it consists of: what all queues of its pools look like now.

One server, or the master that sentinels name: one connection, one round trip. A cluster: one for each node that holds
one of the queues.
"""

from __future__ import annotations

import asyncio
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from redis.exceptions import ClusterDownError, MovedError, RedisError, ResponseError

from bullpen.errors import ConfigurationError
from bullpen.protocol.slots import slot_of
from bullpen_operator.queues.dial import BadCertificatesError
from bullpen_operator.queues.failures import failed_connection, failed_mark, failed_queue
from bullpen_operator.queues.outage import Outage
from bullpen_operator.queues.question import Question, UnreadableReplyError, reading
from bullpen_operator.queues.routes import Nodes, NoRouteError, elected
from bullpen_operator.queues.server import Server
from bullpen_operator.scaling.observation import QueueReading, ReadingFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bullpen.protocol.call import Call
    from bullpen.protocol.location import Address, RedisLocation
    from bullpen_operator.queues.location import Location
    from bullpen_operator.queues.server import Replies

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 3.0
"""For the connection, and for the answers."""

WARN_SECONDS = 60.0
"""Between two warnings of the same."""

FOLLOW_SECONDS = 15.0
"""How often the sentinels are asked whether the master is still the one that is read."""

Answers = dict[Question, QueueReading | ReadingFailed]


class Endpoint:
    """Reads the queues of one location. One caller at a time. `on_round_trip` hears of each one: seconds, and
    whether it succeeded.
    """

    def __init__(
        self, location: Location, *, on_round_trip: Callable[[float, bool], None], timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self.location = location
        self._timeout = timeout
        self._on_round_trip = on_round_trip
        self._nodes = Nodes(location) if location.redis.seeds else None
        self._lost = Outage()
        """Of a cluster: nobody tells which node serves what."""
        self._servers: dict[Address | None, Server] = {}
        self._warned: dict[str, float] = {}

    async def read(self, questions: Sequence[Question], *, now: float) -> Answers:
        """An answer for each question; `now` in seconds since the epoch.

        Within twice the timeout (in a cluster twice that when slots have moved, and a second for each node that must be
        asked the way). Never raises for what Redis or the network does: that is an answer too. After a failed
        connection the next attempts are spaced (0.5 to 5 s, jittered), and the failure is repeated in between.
        """
        if self._nodes is None:
            replies = await self._server(None).ask(questions, now=now)
            return (
                dict.fromkeys(questions, replies) if isinstance(replies, ReadingFailed) else self._answers(replies, now)
            )
        answers: Answers = {}
        at_home: dict[Question, int] = {}
        for question in questions:
            try:
                at_home[question] = _slot(question)
            except ConfigurationError as error:
                answers[question] = failed_queue(error, self.location, question.key, at=now)
        answers |= await self._read_cluster(at_home, nodes=self._nodes, now=now, again=True)
        return answers

    def where(self, question: Question) -> tuple[int, RedisLocation] | None:
        """The hash slot of the queue (0 outside a cluster) and the server that was read for it last; None while none
        answers.
        """
        slot = 0 if self._nodes is None else _slot(question)
        server = self._servers.get(None if self._nodes is None else self._nodes.known(slot))
        return None if server is None or server.where is None else (slot, server.where)

    async def follow(self, *, every: float = FOLLOW_SECONDS) -> None:
        """Behind Sentinel, leave a master that is none any more, until cancelled; looks at it each `every` seconds.

        One that was cut off from its sentinels would go on answering, and nothing it says is true any more.
        """
        while self.location.redis.sentinels:
            await asyncio.sleep(every)
            server = self._server(None)
            if server.where is None:
                continue
            try:
                named = await elected(self.location)
            except (NoRouteError, BadCertificatesError, RedisError, OSError):
                continue  # sentinels that are away change nothing while the master answers
            if named != server.where:
                server.leave()

    async def write(self, calls: Mapping[Question, Sequence[Call[Any]]]) -> None:
        """One round trip more for each server concerned, for drain marks; a failure only shows in that they do not
        hold, and is logged.
        """
        by_server: dict[Address | None, list[Call[Any]]] = {}
        for question, each in calls.items():
            address = None if self._nodes is None else self._nodes.known(_slot(question))
            by_server.setdefault(address, []).extend(each)
        told = [self._tell(address, each) for address, each in by_server.items()]
        await asyncio.gather(*told)

    async def _tell(self, address: Address | None, calls: Sequence[Call[Any]]) -> None:
        server = self._servers.get(address)
        if server is None:
            return  # the next reading makes one
        replies = await server.tell(calls)
        if isinstance(replies, ReadingFailed):
            self._warn(f"drain marks not written: {replies.message}")
            return
        for reply in replies:
            if isinstance(reply, ResponseError):  # of one queue: the marks of the others are written
                self._warn(f"Redis {self.location} refuses a drain mark: {failed_mark(reply)}")

    def _warn(self, sentence: str) -> None:
        """Once in a while, not each second for as long as a drain is in vain."""
        now = asyncio.get_running_loop().time()
        if self._warned.get(sentence, -WARN_SECONDS) <= now - WARN_SECONDS:
            self._warned = {sentence: now}
            log.warning(sentence)

    async def close(self) -> None:
        """Drop the connections; the next read makes new ones."""
        servers, self._servers = self._servers, {}
        for server in servers.values():
            await server.close()

    async def _find(self) -> RedisLocation:
        return await elected(self.location) if self.location.redis.sentinels else self.location.redis

    def _server(self, address: Address | None) -> Server:
        server = self._servers.get(address)
        if server is None:

            async def find() -> RedisLocation:
                return await self._find() if address is None else self.location.at(address)

            server = self._servers[address] = Server(
                self.location, find, timeout=self._timeout, on_round_trip=self._on_round_trip
            )
        return server

    async def _read_cluster(self, slots: dict[Question, int], *, nodes: Nodes, now: float, again: bool) -> Answers:
        masters = await self._masters(nodes, slots.values(), now)
        if isinstance(masters, ReadingFailed):
            return dict.fromkeys(slots, masters)
        groups: dict[Address | None, list[Question]] = {}
        for question, slot in slots.items():
            groups.setdefault(masters.get(slot), []).append(question)
        answers: Answers = {}
        for question in groups.pop(None, ()):
            nobody = ClusterDownError("no node serves the slot")
            answers[question] = failed_queue(nobody, self.location, question.key, at=now)
        servers = {address: self._server(address) for address in groups}
        asked = [server.ask(groups[address], now=now) for address, server in servers.items()]
        moved: list[Question] = []
        for questions, replies in zip(groups.values(), await asyncio.gather(*asked), strict=True):
            if isinstance(replies, ReadingFailed):
                if replies.at == now:  # a new failure: another may have taken its place
                    nodes.forget()
                answers |= dict.fromkeys(questions, replies)
                continue
            moved += [question for question in questions if isinstance(replies[question], MovedError)]
            answers |= self._answers(replies, now)
        for address in self._servers.keys() - nodes.masters:
            await self._servers.pop(address).close()
        if moved:
            nodes.forget()
            if again:
                elsewhere = {question: slots[question] for question in moved}
                answers |= await self._read_cluster(elsewhere, nodes=nodes, now=now, again=False)
        return answers

    async def _masters(
        self, nodes: Nodes, slots: Iterable[int], now: float
    ) -> dict[int, Address | None] | ReadingFailed:
        standing = self._lost.standing(now)
        if standing is not None:
            return standing
        try:
            masters = await nodes.serving(slots)
        except Exception as error:  # noqa: BLE001 - the same bulkhead as a server's
            return self._lost.failed(failed_connection(error, self.location, at=now), now)
        self._lost.over()
        return masters

    def _answers(self, replies: Replies, now: float) -> Answers:
        return {question: self._answer(question, reply, now) for question, reply in replies.items()}

    def _answer(self, question: Question, reply: object, now: float) -> QueueReading | ReadingFailed:
        if isinstance(reply, ResponseError):
            return failed_queue(reply, self.location, question.key, at=now)
        try:
            return reading(reply, now=now)
        except UnreadableReplyError as error:
            return failed_queue(error, self.location, question.key, at=now)


@lru_cache(maxsize=8192)  # asked for each queue at each tick
def _slot(question: Question) -> int:
    """Raises ConfigurationError for a queue whose keys have no slot in common."""
    return slot_of(question.keys)
