"""One queue's loop: claims jobs for free slots, and finishes those that are done in the same call.

A few lanes share the work: each takes what there is to send, makes one `work` call of it, and starts the jobs the reply
brings. While one lane waits for Redis the jobs of another run; what ends in one turn of the event loop is shared by
the lanes that are idle.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from bullpen.errors import BullpenError, ConnectionLost
from bullpen.protocol.calls.work import work
from bullpen.protocol.replies import Status
from bullpen.runtime.announcements import Announcements
from bullpen.runtime.attempt import Attempt
from bullpen.runtime.delivery import Delivery, Pause
from bullpen.runtime.doorbell import LONGEST_LIMIT_SECONDS
from bullpen.runtime.endings import Completed, Ending, Failed, Limited
from bullpen.runtime.lanes import IdleLanes
from bullpen.runtime.settlement import Decision, decide, refusal, settle, settle_status
from bullpen.runtime.slots import Slots
from bullpen.runtime.station import Station, Stop
from bullpen.runtime.strays import Strays
from bullpen.runtime.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bullpen.protocol.replies import WorkReply
    from bullpen.runtime.executors import Executors
    from bullpen.runtime.setup import Bell, QueueSetup

LANES = 3
# One call's share of Redis' time: at some 25 µs a job, other clients wait 2 ms at the most.
BATCH = 64
# Smaller ones are not split: a call has a price of its own.
SHARE = 4
# Jobs started in one turn: the first of a large claim are back at Redis while the last are still to be started.
STARTS = 16
# Minutes of throughput kept in Redis; the operator and dashboards read the `count` beside it (protocol §4.5).
METRICS_MINUTES = 60


class QueueLoop:
    """Serves one queue with a number of slots. All but the reading of counts happens in the event loop's thread."""

    def __init__(self, setup: QueueSetup, *, delivery: Delivery, executors: Executors) -> None:
        self.setup = setup
        self.slots = Slots(setup.slots)
        self.running: dict[str, Attempt] = {}
        self.delivery = delivery
        self.bell: Bell | None = None
        self._lanes = IdleLanes()
        self.announcements = Announcements(setup.rules.hooks, logger=setup.logger, caught_up=self._lanes.wake)
        self._strays = Strays(setup.keys, delivery)
        self._stopped = False
        self._limited_until = 0.0
        self._marked_until = 0.0
        self.first_claim_at: float | None = None
        """Monotonic time of the first job claimed."""
        self._hungry = True
        self._decided: deque[Decision] = deque()
        self._unstarted: deque[Attempt] = deque()
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._crash: asyncio.Future[None] = self._loop.create_future()
        handled = {each.name: (each, Tally(each.name)) for each in setup.handlers if each.name is not None}
        fallback = next(((each, Tally("*")) for each in setup.handlers if each.name is None), None)
        self._station = Station(
            keys=setup.keys,
            handlers=handled,
            fallback=fallback,
            unhandled=Tally(""),
            executors=executors,
            delivery=delivery,
            logger=setup.logger,
            loop=self._loop,
            loop_thread=threading.get_ident(),
            rules=setup.rules,
            telemetry=setup.telemetry,
            ended=self._ended,
            crashed=self._crashed,
        )

    # --- what the worker asks of it ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until stopped and nothing is held; raises what a lane, or a fault of ours in an attempt, raised."""
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch())
            for lane in [group.create_task(self._lane()) for _ in range(LANES)]:
                await lane
            watch.cancel()

    def stop(self) -> None:
        """Claim nothing more; what a claim under way brings is released at once."""
        self._stopped = True
        # Releasing puts a job at the front: the last one first keeps their order.
        while self._unstarted:
            attempt = self._unstarted.pop()
            attempt.tell(Stop.DRAIN)
            attempt.start()
        self._lanes.wake_all()

    def ring(self) -> bool:
        """There may be jobs to claim; returns whether a slot is free for one."""
        if self._stopped:
            return False
        if self._limited or self.marked:
            self._listen_for_its_end()
            return False
        self._hungry = True
        self._lanes.wake()
        return self.slots.free > 0

    def tell(self, why: Stop, tokens: Iterable[str] | None = None) -> None:
        """Tell running jobs to stop: those of the tokens, or all, the youngest first."""
        for token in list(reversed(self.running)) if tokens is None else tokens:
            attempt = self.running.get(token)
            if attempt is not None:
                attempt.tell(why)

    @property
    def marked(self) -> bool:
        """Whether the operator wants this worker to claim nothing for now. May be asked from any thread."""
        return time.monotonic() < self._marked_until

    @property
    def empty_handed(self) -> bool:
        """Whether no job is held, and no claim on its way. May be asked from any thread."""
        # In this order: what a claim brings is counted as running before it leaves `claiming`.
        return not (
            self.slots.claiming
            or self.slots.running > self.slots.stuck  # what is stuck is no job any more
            or self.running
            or self._strays
        )

    def heed(self, seconds: float) -> None:
        """The drain mark of this worker holds for so long; 0 = it is gone, and jobs may be claimed again."""
        was_marked = self.marked
        self._marked_until = time.monotonic() + seconds if seconds > 0 else 0.0
        if self.marked != was_marked:
            self.setup.logger.info("Told to drain: no new jobs" if self.marked else "Claiming jobs again")
        if self.marked:
            self._listen_for_its_end()
        elif was_marked:
            self.ring()

    async def empty(self) -> None:
        """Return when no job is held and no claim is under way."""
        while self.running or self.slots.claiming:
            self._changed.clear()
            await self._changed.wait()

    def tallies(self) -> list[Tally]:
        """Counts by handler: `*` is the handler of every other name, and the empty name is for jobs nobody handles."""
        station = self._station
        tallies = [tally for _, tally in station.handlers.values()]
        if station.fallback is not None:
            tallies.append(station.fallback[1])
        return [*tallies, station.unhandled]

    # --- lanes ---------------------------------------------------------------------------------------------------

    async def _lane(self) -> None:
        pause = Pause()
        while True:
            decisions = [self._decided.popleft() for _ in range(self._share(len(self._decided)))]
            asked = self._ask(len(decisions))
            if decisions or asked:
                if self._decided or (self._hungry and self.slots.free > 0):
                    self._lanes.wake()
                try:
                    await self._exchange(decisions, asked)
                    decisions = []
                    if self._strays:
                        await self.release_strays()
                except BullpenError:
                    await pause.wait()
                    self._decided.extendleft(reversed(decisions))
                else:
                    pause = Pause()
            elif self._stopped and not self.running and not self.slots.claiming:
                self._lanes.wake_all()
                return
            else:
                await self._lanes.wait()

    def _ask(self, decisions: int) -> int:
        if self._stopped or self._limited or self.marked or self.announcements.behind:
            return 0
        # A queue known to be empty is asked for the slots of the finished jobs only: that costs no call of its own.
        return self.slots.ask(max(self._share(self.slots.free), decisions) if self._hungry else min(BATCH, decisions))

    # Jobs that leave in one call come back in one and would end together for ever: all but the first wait for the rest.
    def _share(self, there: int) -> int:
        """How many of what is there one lane takes, so that the idle ones have as much to do."""
        return min(there, BATCH, max(SHARE, -(-there // (len(self._lanes) + 1))))

    async def _exchange(self, decisions: list[Decision], asked: int) -> None:
        setup = self.setup
        tokens = [setup.tokens() for _ in range(asked)]
        asked_at = time.monotonic()
        call = work(
            setup.keys,
            now=int(time.time() * 1000),
            finishes=[each.finish for each in decisions],
            tokens=tokens,
            lock_ms=setup.lock_ms,
            worker=setup.worker,
            limiter=setup.rules.limiter,
            metrics=METRICS_MINUTES,
            instance=setup.instance,
        )
        try:
            reply = await self.delivery.run(call)
        except BullpenError as error:
            self.slots.answered(asked=asked, got=0)
            self._hungry = True
            self._changed.set()
            if isinstance(error, ConnectionLost) and error.sent:
                self._strays.expect(tokens)
                for each in decisions:
                    each.doubtful = True
            raise
        for trouble in reply.troubles:
            setup.logger.error("damage in Redis was passed over: %s", trouble)
        for decision, status in zip(decisions, reply.finished, strict=True):
            error_of_children = refusal(status)
            if error_of_children is not None:
                self.slots.rejoin()
                decision.attempt.refuse(error_of_children)
            else:
                settle_status(decision, status, setup.logger)
                if status is Status.OK:
                    self.announcements.ended(decision.attempt, decision.ending)
                self._leave(decision.attempt)
        self._claimed(reply, asked, asked_at)

    async def release_strays(self) -> None:
        """Give back jobs whose claim was answered to nobody or too late, if there are any; raises what the connection
        raises.
        """
        if released := await self._strays.release():
            self.setup.logger.warning("%d jobs whose claim was answered to nobody, or too late, are back", released)

    def _claimed(self, reply: WorkReply, asked: int, asked_at: float) -> None:
        claims = reply.claimed
        if claims and time.monotonic() - asked_at >= self.setup.renewal_seconds:
            # Read late, by a loop that was blocked: nobody renewed these locks, and the jobs may be somebody else's.
            self._strays.expect(each.token for each in claims)
            claims = ()
        self.slots.answered(asked=asked, got=len(claims))
        for claimed in claims:
            attempt = Attempt(claimed, self._station, asked_at=asked_at)
            self.running[claimed.token] = attempt
            self._unstarted.append(attempt)
            if (waited := attempt.waited()) is not None:
                attempt.tally.waits.observe(waited)
        if self.first_claim_at is None and claims:
            self.first_claim_at = asked_at
        if asked:
            self._hungry = len(reply.claimed) == asked
            if reply.marked_ms > 0:
                self.heed(reply.marked_ms / 1000)
            elif not self._hungry and self.bell is not None:
                self.bell.listen(due_ms=reply.due_ms, limited_ms=reply.limited_ms)
        if self._stopped:
            self.stop()
        else:
            self._start_some()
        self._changed.set()

    def _start_some(self) -> None:
        for _ in range(min(STARTS, len(self._unstarted))):
            self._unstarted.popleft().start()
        if self._unstarted:
            self._loop.call_soon(self._start_some)

    # --- what attempts tell it -----------------------------------------------------------------------------------

    def _ended(self, attempt: Attempt, ending: Ending) -> None:
        # The call that finishes it may claim the next one already: its slot is free from now on.
        if attempt.left_behind is None:
            self.slots.leave()
        else:  # its function still has a thread, or the loop's time
            self.slots.stick()
            attempt.left_behind.add_done_callback(self._unstuck)
        if isinstance(ending, (Completed, Failed)):
            self._decided.append(decide(attempt, ending, self.setup.notices))
        else:
            settle(attempt, ending, self.setup.logger)
            self.announcements.ended(attempt, ending)
            self._leave(attempt)
            if isinstance(ending, Limited):
                self._limit(ending.limit_ms)
        self._lanes.wake()

    def _unstuck(self, _work: asyncio.Future[Any]) -> None:
        self.slots.unstick()
        self._hungry = True
        self._lanes.wake()

    # A job said so (protocol §5.4). With a limiter Redis knows of it too, and every claim asks; without one Redis does
    # not look (§3.1 step 3), and only this worker keeps to it.
    def _limit(self, limit_ms: int) -> None:
        seconds = limit_ms / 1000
        if self.setup.rules.limiter is not None:
            seconds = min(seconds, LONGEST_LIMIT_SECONDS)
        self._limited_until = max(self._limited_until, time.monotonic() + seconds)
        self._listen_for_its_end()

    @property
    def _limited(self) -> bool:
        return time.monotonic() < self._limited_until

    @property
    def limited_seconds(self) -> float:
        """For how long this worker claims nothing, because a job said so."""
        return max(0.0, self._limited_until - time.monotonic())

    def forward(self, seconds: float) -> None:
        """The clock was moved by so much (`bullpen.testing`): what this worker waits for ends so much earlier."""
        self._limited_until -= seconds

    def _listen_for_its_end(self) -> None:
        if self.bell is not None:
            left = max(self._limited_until, self._marked_until) - time.monotonic()
            self.bell.listen(due_ms=0, limited_ms=max(1, math.ceil(left * 1000)))

    def _leave(self, attempt: Attempt) -> None:
        del self.running[attempt.token]
        self._changed.set()

    def _crashed(self, error: BaseException) -> None:
        if not self._crash.done():
            self._crash.set_exception(error)

    async def _watch(self) -> None:
        await self._crash
