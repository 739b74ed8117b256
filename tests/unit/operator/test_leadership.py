"""Leadership on an event loop: who wins, what is told, and in which order a leader goes."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from bullpen_operator.cluster.fence import Fence, FencedError
from bullpen_operator.cluster.lease import Bid, Lease
from bullpen_operator.cluster.port import ClusterError
from bullpen_operator.engine.elector import Elector, Timing
from bullpen_operator.engine.leadership import Alone, Leadership, LeadershipLostError, shown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

QUICK = Timing(duration=1, renew=0.6, every=0.02, retry=0.02)
CONFLICT = ClusterError(status=409, reason="Conflict", message="the object has been modified")
NO_ANSWER = ClusterError(status=0, reason="NoAnswer", message="no answer within 1 s")
FORBIDDEN = ClusterError(status=403, reason="Forbidden", message="leases is forbidden")


class FakeLease:
    """Implements `LeaseApi`: compare and swap in memory. `trouble` is raised by the next calls."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.trouble: list[ClusterError] = []
        self.puts = 0
        self._changed = asyncio.Condition()
        self._version = 0

    def __str__(self) -> str:
        return "ops/lease"

    async def read(self) -> Lease | None:
        self._fail()
        return self.lease

    async def put(self, bid: Bid) -> Lease:
        self._fail()
        if bid.version != (self.lease.version if self.lease is not None else ""):
            raise CONFLICT
        self.puts += 1
        return await self.become(bid.holder, duration=bid.duration, transitions=bid.transitions)

    async def watch(self, version: str) -> AsyncGenerator[Lease | None]:
        while True:
            async with self._changed:
                while self.lease is not None and self.lease.version == version:
                    await self._changed.wait()
            self._fail()
            version = self.lease.version if self.lease is not None else ""
            yield self.lease

    async def become(self, holder: str, *, duration: float = 1, transitions: int = 1) -> Lease:
        """Somebody writes it."""
        self._version += 1
        self.lease = Lease(version=str(self._version), holder=holder, duration=duration, transitions=transitions)
        async with self._changed:
            self._changed.notify_all()
        return self.lease

    def _fail(self) -> None:
        if self.trouble:
            raise self.trouble.pop(0)


@dataclass
class Replica:
    leadership: Leadership
    fence: Fence
    task: asyncio.Task[None] | None = None


@pytest.fixture
def lease() -> FakeLease:
    return FakeLease()


@asynccontextmanager
async def replica(
    lease: FakeLease, name: str, *, on_rewound: Callable[[], None] = lambda: None
) -> AsyncIterator[Replica]:
    fence = Fence(asyncio.get_running_loop().time)
    leadership = Leadership(
        lease=lease,
        elector=Elector(identity=f"{name}_1", timing=QUICK),
        fence=fence,
        clock=asyncio.get_running_loop().time,
        on_rewound=on_rewound,
    )
    made = Replica(leadership, fence)
    made.task = asyncio.create_task(leadership.run())
    try:
        yield made
    finally:
        made.task.cancel()
        await asyncio.wait([made.task])


async def until(look: Callable[[], object], *, within: float = 20) -> None:
    async with asyncio.timeout(within):
        while not look():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def test_one_of_two_leads_and_the_other_takes_over_what_is_given_up(lease: FakeLease) -> None:
    async with replica(lease, "a") as first:
        await until(first.leadership.won.is_set)
        async with replica(lease, "b") as second:
            await until(lambda: second.leadership.informed)
            assert first.fence.open()
            assert not second.fence.open()
            await first.leadership.resign()
            assert not first.fence.open()
            await until(second.leadership.won.is_set)
            assert second.fence.open()


async def test_a_leader_that_dies_is_followed(lease: FakeLease) -> None:
    await lease.become("dead_1")
    async with replica(lease, "b") as second:
        await until(second.leadership.won.is_set)
        assert lease.lease is not None
        assert (lease.lease.holder, lease.lease.transitions) == ("b_1", 2)


async def test_a_leader_renews_and_lives_through_lost_answers(lease: FakeLease) -> None:
    async with replica(lease, "a") as only:
        await until(only.leadership.won.is_set)
        lease.trouble += [NO_ANSWER, NO_ANSWER]
        puts = lease.puts
        await until(lambda: lease.puts > puts + 2)
        assert only.fence.open()


async def test_a_leader_that_another_replaced_is_told_and_writes_no_more(lease: FakeLease) -> None:
    async with replica(lease, "a") as first:
        await until(first.leadership.won.is_set)
        await lease.become("b_1")
        assert first.task is not None
        with pytest.raises(LeadershipLostError, match=r"the Lease is now with b$"):
            await first.task
        assert not first.fence.open()


async def test_without_an_api_server_the_fence_closes_by_itself_and_opens_when_it_is_back(lease: FakeLease) -> None:
    async with replica(lease, "a") as only:
        await until(only.leadership.won.is_set)
        lease.trouble += [NO_ANSWER] * 100_000
        await until(lambda: not only.fence.open())
        lease.trouble.clear()
        await until(only.fence.open)


async def test_a_lease_of_an_earlier_time_is_told_before_anything_may_be_written_again(lease: FakeLease) -> None:
    told: list[bool] = []
    async with replica(lease, "a", on_rewound=lambda: told.append(only.fence.open())) as only:
        await until(only.leadership.won.is_set)
        lease.trouble += [NO_ANSWER] * 100_000
        await until(lambda: not only.fence.open())
        assert lease.lease is not None
        lease.lease = replace(lease.lease, version="0")
        lease.trouble.clear()
        await until(only.fence.open)
        assert told == [False]


async def test_a_standby_is_told_too(lease: FakeLease) -> None:
    told: list[None] = []
    await lease.become("a_1", duration=0)
    async with replica(lease, "b", on_rewound=lambda: told.append(None)) as second:
        await until(lambda: second.leadership.informed)
        assert lease.lease is not None
        lease.lease = replace(lease.lease, version="0")  # nobody tells its watch
        await until(lambda: told)


async def test_what_is_wrong_is_told_once_with_what_to_do(lease: FakeLease, caplog: pytest.LogCaptureFixture) -> None:
    lease.trouble += [FORBIDDEN] * 5
    async with replica(lease, "a") as only:
        await until(only.leadership.won.is_set)
    (said,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "leases is forbidden; grant the operator's service account get, watch, create and update" in said


async def test_a_standby_says_who_leads(lease: FakeLease, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await lease.become("operator-0_ab12")
    async with replica(lease, "b"):
        await until(lambda: "standing by: operator-0 leads" in caplog.messages)


async def test_the_lease_is_given_up_only_after_the_answers_of_all_writes(lease: FakeLease) -> None:
    async with replica(lease, "a") as only:
        await until(only.leadership.won.is_set)
        with only.fence.passing():
            resigning = asyncio.create_task(only.leadership.resign())
            await until(lambda: not only.fence.open())
            assert lease.lease is not None
            assert lease.lease.holder == "a_1"
            with pytest.raises(FencedError), only.fence.passing():
                pass
        await resigning
        assert lease.lease.holder == ""


async def test_a_release_that_crosses_a_renewal_is_repeated(lease: FakeLease) -> None:
    async with replica(lease, "a") as only:
        await until(only.leadership.won.is_set)
        assert only.task is not None
        only.task.cancel()
        await asyncio.wait([only.task])
        await lease.become("a_1")
        await only.leadership.resign()
        assert lease.lease is not None
        assert lease.lease.holder == ""


async def test_a_release_whose_answer_is_lost_is_repeated(lease: FakeLease) -> None:
    async with replica(lease, "a") as only:
        await until(only.leadership.won.is_set)
        resigning = asyncio.create_task(only.leadership.resign())
        await until(lambda: only.task is not None and only.task.done())
        lease.trouble += [NO_ANSWER]
        await resigning
        assert lease.lease is not None
        assert lease.lease.holder == ""


async def test_who_is_alone_leads_from_the_start() -> None:
    fence = Fence()
    alone = Alone(fence=fence)
    assert not fence.open()
    await alone.run()
    assert fence.open()
    assert fence.left() == math.inf
    assert alone.won.is_set()
    await alone.resign()
    assert not fence.open()


def test_a_holder_is_shown_by_its_pods_name() -> None:
    assert shown("bullpen-operator-7d_x_0a1b") == "bullpen-operator-7d_x"
    assert shown("somebody") == "somebody"
