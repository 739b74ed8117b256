"""The sweep: once a tick, every queue of every Redis in one round trip each, then each pool's turn.

One lane per Redis, because a Redis that hangs must not hold up the pools of another. The router decides which lane a
pool is on and takes the turns of those that have no Redis to ask.

Between the ticks a lane answers its doorbell: it reads the queues that something was added to and takes the turns of
their pools. As long as it is listened to, a queue at rest of a pool at zero is read every few ticks only. Nothing but
jobs rings, so what else may happen to such a queue is seen up to 5 s later: a pause, a failed job that is removed, keys
of a wrong type, its end, an outage of its Redis; and the opening of a window of the pool's schedule.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from bullpen.protocol import drain_marks
from bullpen_operator.api.reasons import Reason
from bullpen_operator.queues.doorbell import Doorbell
from bullpen_operator.queues.endpoint import TIMEOUT_SECONDS, Endpoint
from bullpen_operator.queues.question import Question
from bullpen_operator.scaling.observation import QueueReading, ReadingFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping

    from bullpen.protocol.call import Call
    from bullpen.protocol.keys import QueueKeys
    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.engine.drain import Orders
    from bullpen_operator.engine.meter import Meter
    from bullpen_operator.engine.pools import Pools
    from bullpen_operator.queues.location import Location
    from bullpen_operator.queues.secrets import Locator

_NAMED = 3
"""Of the other pools on a queue so many are told."""

log = logging.getLogger(__name__)


DEBOUNCE_SECONDS = 0.05
"""From the first ring to the look: whoever adds one job mostly adds more, and the pool should grow once for all."""

_REFUSED = (Reason.AUTHENTICATION_FAILED, Reason.TLS_FAILED)


class Lane:
    """The pools of one Redis, by uid, and the task that serves them."""

    def __init__(self, location: Location, *, on_round_trip: Callable[[float, bool], None]) -> None:
        self.endpoint = Endpoint(location, on_round_trip=on_round_trip)
        self.doorbell = Doorbell(location, where=self.endpoint.where, heard=self._hear, timeout=TIMEOUT_SECONDS)
        self.pools: Mapping[str, WorkerPool] = {}
        self.task: asyncio.Task[None] | None = None
        self._rung: set[Question] = set()
        self._bell = asyncio.Event()

    async def rung(self, *, until: float) -> frozenset[Question]:
        """The queues rung for, as soon as there are some; none by the loop time `until`."""
        try:
            async with asyncio.timeout_at(until):
                await self._bell.wait()
                await asyncio.sleep(DEBOUNCE_SECONDS)
        except TimeoutError:
            return frozenset()
        return self.take_rung()

    def take_rung(self) -> frozenset[Question]:
        """The queues rung for since this was last asked."""
        rung, self._rung = frozenset(self._rung), set()
        self._bell.clear()
        return rung

    def _hear(self, questions: Collection[Question]) -> None:
        self._rung.update(questions)
        self._bell.set()


class Sweep:
    """Runs the router and the lanes. `clock` is in seconds since the epoch, `tick` in seconds."""

    def __init__(
        self,
        *,
        pools: Pools,
        locator: Locator,
        meter: Meter,
        clock: Callable[[], float],
        tick: float,
        on_round_trip: Callable[[float, bool], None],
    ) -> None:
        self._pools = pools
        self._locator = locator
        self._meter = meter
        self._clock = clock
        self._tick = tick
        self._on_round_trip = on_round_trip
        self._lanes: dict[Location, Lane] = {}
        self._turned_at: float | None = None

    def age(self) -> float:
        """Seconds since the router last turned; 0 before it was started."""
        return 0.0 if self._turned_at is None else asyncio.get_running_loop().time() - self._turned_at

    async def run(self) -> None:
        """Sweep until cancelled."""
        self._turned_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.TaskGroup() as group:
                await self._every_tick(lambda _: self._route(group), between=_pause)
        finally:
            for lane in self._lanes.values():
                await lane.endpoint.close()

    async def _every_tick(
        self,
        work: Callable[[float], Coroutine[Any, Any, None]],
        *,
        between: Callable[[float], Coroutine[Any, Any, None]],
    ) -> None:
        """Do the work once a tick, telling it when it was due; ticks that were missed are not made up for. `between`
        passes the time until the next.
        """
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await work(due)
            due = max(due + self._tick, loop.time())
            await between(due)

    async def _route(self, group: asyncio.TaskGroup) -> None:
        """Put each pool on the lane of its Redis; open lanes that are needed, close those that are not."""
        now = self._clock()
        current = dict(self._pools.current())
        await self._locator.refresh(((pool.metadata.namespace, pool.spec.redis) for pool in current.values()), now=now)
        routes: dict[Location, dict[str, WorkerPool]] = {}
        for uid, pool in current.items():
            location = self._locator.locate(pool.metadata.namespace, pool.spec.redis, now=now)
            if isinstance(location, ReadingFailed):
                self._pools.take_turn(uid, location)
            else:
                routes.setdefault(location, {})[uid] = pool
        for location in self._lanes.keys() - routes.keys():
            await self._close(self._lanes.pop(location))
        for location, pools in routes.items():
            lane = self._lanes.get(location)
            if lane is None:
                lane = self._lanes[location] = Lane(location, on_round_trip=self._on_round_trip)
                lane.pools = pools
                lane.task = group.create_task(self._serve(lane), name=f"lane {location}")
            lane.pools = pools
        self._turned_at = asyncio.get_running_loop().time()

    async def _close(self, lane: Lane) -> None:
        if lane.task is not None:
            lane.task.cancel()
        await lane.endpoint.close()

    async def _serve(self, lane: Lane) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(lane.doorbell.run())
            group.create_task(lane.endpoint.follow())
            await self._every_tick(
                lambda due: self._sweep(lane, due=due), between=lambda due: self._answer_bell(lane, until=due)
            )

    async def _sweep(self, lane: Lane, *, due: float) -> None:
        """One tick of one lane: one round trip, then the turn of each of its pools that does not rest."""
        rung = lane.take_rung()  # all of them are read now
        served = _questions(lane)
        resting = {
            uid: question
            for uid, question in served.items()
            if question not in rung and self._pools.resting(uid) and lane.doorbell.listens(question)
        }
        answers = await self._look(lane, {uid: each for uid, each in served.items() if uid not in resting})
        lane.doorbell.watch(
            {
                served[uid]: answer.newest_event
                for uid, answer in answers.items()
                if isinstance(answer, QueueReading)
                and answer.newest_event is not None
                and answer.at_rest
                and self._pools.at_zero(uid)
            },
            still=resting.values(),
        )
        self._meter.swept(lag=asyncio.get_running_loop().time() - due)

    async def _answer_bell(self, lane: Lane, *, until: float) -> None:
        while asyncio.get_running_loop().time() < until:
            rung = await lane.rung(until=until)
            asked = {uid: question for uid, question in _questions(lane).items() if question in rung}
            if asked:
                await self._look(lane, asked)

    async def _look(self, lane: Lane, asked: Mapping[str, Question]) -> dict[str, QueueReading | ReadingFailed]:
        """One round trip, and the turn of each pool that is asked for; gives what each saw."""
        if not asked:
            return {}
        now, pools = self._clock(), lane.pools  # which the router replaces meanwhile
        everyone = _questions(lane)
        answers = await lane.endpoint.read(list(dict.fromkeys(asked.values())), now=now)
        served: dict[Question, list[str]] = {}
        for uid, question in everyone.items():
            served.setdefault(question, []).append(uid)
        marks: dict[Question, list[Call[Any]]] = {}
        for uid, question in asked.items():
            others = [other for other in served[question][: _NAMED + 1] if other != uid][:_NAMED]
            sharing = tuple(_place(pools[other]) for other in others)
            orders = self._pools.take_turn(uid, answers[question], asked=pools[uid], sharing=sharing)
            if calls := drain_calls(question.keys, orders):
                marks.setdefault(question, []).extend(calls)
        await lane.endpoint.write(marks)
        seen = {uid: answers[question] for uid, question in asked.items()}
        if any(isinstance(answer, ReadingFailed) and answer.reason in _REFUSED for answer in seen.values()):
            # Perhaps the password or a certificate was rotated.
            for pool in pools.values():
                self._locator.distrust(pool.metadata.namespace, pool.spec.redis, now=now)
        return seen


async def _pause(until: float) -> None:
    await asyncio.sleep(until - asyncio.get_running_loop().time())


def _questions(lane: Lane) -> dict[str, Question]:
    return {
        uid: Question(pool.spec.prefix, pool.spec.queue, nameless=pool.spec.app is None)
        for uid, pool in lane.pools.items()
    }


def _place(pool: WorkerPool) -> str:
    return f"{pool.metadata.namespace}/{pool.metadata.name}"


def drain_calls(keys: QueueKeys, orders: Orders) -> list[Call[Any]]:
    """The drain marks to write for one pool; most have none."""
    calls: list[Call[Any]] = []
    if orders.mark:
        calls.append(drain_marks.mark(keys, instances=sorted(orders.mark)))
    if orders.clear:
        calls.append(drain_marks.clear(keys, instances=sorted(orders.clear)))
    return calls
