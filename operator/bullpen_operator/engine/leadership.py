"""Carries out what the elector says, opens and closes the fence by it, and tells when this replica leads."""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from bullpen_operator.cluster.port import ClusterError
from bullpen_operator.engine.elector import Read, Wait

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from bullpen_operator.cluster.fence import Fence
    from bullpen_operator.cluster.lease import Bid, Lease
    from bullpen_operator.engine.elector import Elector

log = logging.getLogger(__name__)

_LAST_ANSWERS_SECONDS = 1.0
"""How long a stopping leader waits for the answers of its writes; without them it keeps the Lease till it expires."""


_READING, _WRITING, _WATCHING = "cannot read the Lease", "cannot write the Lease", "cannot watch the Lease"
_RELEASES = 3
"""How often a stopping leader tries to give up the Lease, each for at most the retry period."""


class LeadershipLostError(Exception):
    """Another replica leads, which this one did until now: it has to end, and start anew as a standby."""


class LeaseApi(Protocol):
    """The Lease in the API server; every coroutine raises ClusterError, in bounded time."""

    async def read(self) -> Lease | None: ...
    def watch(self, version: str) -> AsyncGenerator[Lease | None]: ...
    async def put(self, bid: Bid) -> Lease: ...


class Leadership:
    """Campaigns, then renews. `clock` is that of the fence. `on_rewound` hears when the Lease shows that the API
    server's data went back in time, before anything may be written on it.
    """

    def __init__(
        self,
        *,
        lease: LeaseApi,
        elector: Elector,
        fence: Fence,
        clock: Callable[[], float],
        on_rewound: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_rewound = on_rewound
        self._lease = lease
        self._elector = elector
        self._fence = fence
        self._clock = clock
        self._running: asyncio.Task[None] | None = None
        self._told = ""
        self._complained: set[str] = set()
        self.won = asyncio.Event()

    @property
    def informed(self) -> bool:
        """Whether it is known who leads."""
        return self._elector.informed

    async def run(self) -> None:
        """Stand by, then lead, until cancelled. Raises LeadershipLostError when another one leads in our place."""
        self._running = asyncio.current_task()
        while True:
            action = self._elector.next(self._clock())
            if isinstance(action, Read):
                await self._read()
            elif isinstance(action, Wait):
                await self._wait(action)
            else:
                await self._put(action)
            self._tell()

    async def resign(self) -> None:
        """Let no more writes leave, wait for the answers of those that did, and give up the Lease if there is one."""
        self._fence.close()
        if self._running is not None:
            self._running.cancel()  # a renewal now would only cross the release
            await asyncio.wait([self._running])
        if not await self._fence.quiet(within=_LAST_ANSWERS_SECONDS):
            log.warning("the Lease is left to expire: some writes have no answer yet")
            return
        if not await self._release():
            log.warning("the Lease is left to expire: no answer from the API server")

    async def _release(self) -> bool:
        """Whether nobody has to wait for this replica any more."""
        for _ in range(_RELEASES):
            bid = self._elector.resign()
            if bid is None:
                return True
            try:
                await self._lease.put(bid)
            except ClusterError as error:
                # Refused: a renewal was taken, or this very release, whose answer was lost.
                if error.conflict:
                    await self._read()
            else:
                log.info("gave up the Lease")
                return True
        return False

    async def _read(self) -> None:
        sent_at = self._clock()
        try:
            lease = await self._lease.read()
        except ClusterError as error:
            self._unanswered(_READING, error, since=sent_at)
        else:
            self._complained.discard(_READING)
            self._elector.see(lease, now=self._clock())

    async def _put(self, bid: Bid) -> None:
        sent_at = self._clock()
        try:
            lease = await self._lease.put(bid)
        except ClusterError as error:
            # 404: it was deleted. 422: one was made where there was none, and a PUT without version cannot replace it.
            if error.conflict or error.gone or error.status == 422:
                self._elector.doubt()
            else:
                self._unanswered(_WRITING, error, since=sent_at)
        else:
            self._complained.clear()
            self._elector.accepted(lease, sent_at=sent_at)
            self._fence.extend(self._elector.valid_until)

    async def _wait(self, wait: Wait) -> None:
        lease = self._elector.lease
        if lease is None or not wait.listen:
            await asyncio.sleep(max(0.0, wait.until - self._clock()))
            if not self._elector.leads:
                self._elector.doubt()
            return
        try:
            await self._listen(lease.version, wait.until)
        except ClusterError as error:
            self._unanswered(_WATCHING, error, since=self._clock())

    async def _listen(self, version: str, until: float) -> None:
        """Hear what becomes of the Lease until there is something to do."""
        loop = asyncio.get_running_loop()
        try:
            async with (
                asyncio.timeout(until - self._clock()) as limit,
                aclosing(self._lease.watch(version)) as changes,
            ):
                async for lease in changes:
                    self._complained.discard(_WATCHING)
                    self._elector.see(lease, now=self._clock())
                    self._tell()
                    action = self._elector.next(self._clock())
                    if not isinstance(action, Wait) or not action.listen:
                        return
                    limit.reschedule(loop.time() + action.until - self._clock())
        except TimeoutError:
            return
        self._elector.unanswered(since=self._clock())

    def _unanswered(self, what: str, error: ClusterError, *, since: float) -> None:
        self._elector.unanswered(since=since)
        if what not in self._complained:  # once until it works again: it is tried each second
            self._complained.add(what)
            log.warning("%s: %s%s", what, error, _advice(error))

    def _tell(self) -> None:
        """What has changed: on the log, and to who waits for leadership."""
        elector = self._elector
        if elector.rewound:
            elector.rewound = False
            self._on_rewound()
        if elector.lost:
            self._fence.close()
            holder = elector.lease.holder if elector.lease is not None else ""
            raise LeadershipLostError(f"no longer leading: the Lease is now with {shown(holder) or 'nobody'}")
        leads = self._fence.open()
        if leads and not self.won.is_set():
            self.won.set()
            log.info("leading", extra={"lease": str(self._lease)})
        holder = elector.lease.holder if elector.lease is not None else ""
        if holder != self._told and holder != elector.identity:
            log.info("standing by: %s leads", shown(holder)) if holder else log.info("standing by: nobody leads yet")
        self._told = holder


class Alone:
    """The leadership of an operator without leader election: it leads from the start."""

    informed = True

    def __init__(self, *, fence: Fence) -> None:
        self._fence = fence
        self.won = asyncio.Event()

    async def run(self) -> None:
        """Lead."""
        self._fence.extend(math.inf)
        self.won.set()

    async def resign(self) -> None:
        """Let no more writes leave, and wait for the answers of those that did."""
        self._fence.close()
        await self._fence.quiet(within=_LAST_ANSWERS_SECONDS)


def shown(holder: str) -> str:
    """The pod's name of a holder identity."""
    return holder.rpartition("_")[0] or holder


def _advice(error: ClusterError) -> str:
    if error.forbidden:
        return "; grant the operator's service account get, watch, create and update on this Lease, as the chart does"
    if error.missing:
        return "; is POD_NAMESPACE a namespace that exists?"
    return ""
