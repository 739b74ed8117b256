"""Who is taken for dead: tables of what an observer saw, and what must hold whatever it sees."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen.protocol.calls.clients import Server
from bullpen.runtime.peers import Memory, Peer, heard, judged, pressing, trouble, unknowable

LOCK = 30.0
SERVER = Server("run-1", 1000)


@dataclass(frozen=True)
class Look:
    """One answer of Redis at `at`: the peer's last beat if it is late, and whether it has connections then."""

    at: float
    beat: float | None = None
    connected: bool = False
    trouble: bool = False
    server: Server = SERVER
    visible: bool = True


def watch(*looks: Look) -> list[float]:
    """When the peer was declared dead."""
    memory, deaths = Memory(), []
    for look in looks:
        if look.trouble:
            memory = trouble(memory)
            continue
        late = [] if look.beat is None else [Peer("p", "b", look.beat)]
        memory, asked = heard(memory, at=look.at, late=late, lock_seconds=LOCK)
        if not asked:
            continue
        if not look.visible:
            memory = unknowable(memory, asked, at=look.at)
            continue
        there = [("p", "b")] if look.connected else []
        memory, dead = judged(memory, asked, at=look.at, connected=there, server=look.server, lock_seconds=LOCK)
        deaths += [look.at for _ in dead]
    return deaths


TABLE: dict[str, tuple[list[Look], list[float]]] = {
    "silent for two seconds in two looks, and not connected": ([Look(0), Look(7, 5.0), Look(7.25, 5.0)], [7.25]),
    "one look is not enough": ([Look(0), Look(7, 5.0)], []),
    "late, but not by two seconds": ([Look(0), Look(6.5, 5.0), Look(6.75, 5.0), Look(6.99, 5.0)], []),
    "a beat in between": ([Look(0), Look(7, 5.0), Look(9, 7.0)], []),
    "silent but connected": ([Look(0), Look(7, 5.0, connected=True), Look(9, 5.0, connected=True)], []),
    "connected in the second look": ([Look(0), Look(7, 5.0), Look(7.25, 5.0, connected=True), Look(7.5, 5.0)], []),
    "disconnected for a while, then silent": (
        [Look(0), Look(7, 5.0, connected=True), Look(8.5, 5.0), Look(8.75, 5.0)],
        [8.75],
    ),
    "its last beat is from before we came": ([Look(10), Look(12, 9.0), Look(12.25, 9.0)], []),
    "the same, a lock duration later": ([Look(10), Look(40, 9.0), Look(40.25, 9.0)], [40.25]),
    "a call of ours failed": ([Look(0), Look(0, trouble=True), Look(10), Look(20, 17.0), Look(20.25, 17.0)], []),
    "the same, a lock duration later ": (
        [Look(0), Look(0, trouble=True), Look(10), Look(40, 17.0), Look(40.25, 17.0)],
        [40.25],
    ),
    "a failure between the two looks": ([Look(0), Look(7, 5.0), Look(7, trouble=True), Look(7.25, 5.0)], []),
    "Redis was started just now": (
        [Look(0), Look(7, 5.0, server=Server("run-1", 20)), Look(7.25, 5.0, server=Server("run-1", 20))],
        [],
    ),
    "another server answers": (
        [Look(0), Look(7, 5.0), Look(7.25, 5.0, server=Server("run-2", 900)), Look(7.5, 5.0)],
        [],
    ),
    "connections cannot be seen": ([Look(0), Look(7, 5.0, visible=False), Look(8, 5.0, visible=False)], []),
}


@pytest.mark.parametrize("case", TABLE)
def test_a_peer_is(case: str) -> None:
    looks, deaths = TABLE[case]
    assert watch(*looks) == deaths


looks = st.builds(
    Look,
    at=st.just(0.0),
    beat=st.none() | st.floats(0, 100),
    connected=st.booleans(),
    trouble=st.booleans(),
    server=st.sampled_from([SERVER, Server("run-1", 3), Server("run-2", 1000)]),
)


@given(st.lists(st.tuples(st.floats(0.05, 20), looks), max_size=40))
def test_nobody_dies_who_was_connected_or_heard_or_while_redis_is_in_doubt(steps: list[tuple[float, Look]]) -> None:
    at, seen = 0.0, []
    for pause, look in steps:
        at += pause
        beat = None if look.beat is None else min(look.beat, at)
        late = beat if beat is not None and at - beat >= 1.2 else None
        seen.append(Look(at, late, look.connected, look.trouble, look.server))
    for death in watch(*seen):
        upto = [each for each in seen if each.at <= death]
        calm = list(itertools.takewhile(lambda each: not each.trouble, reversed(upto)))
        last, before = calm[0], calm[1]
        assert last.beat == before.beat
        assert last.beat is not None
        assert before.at - last.beat >= 2 or len(calm) > 2
        assert not last.connected
        assert last.server.uptime_seconds >= LOCK
        if len(calm) < len(upto):
            assert death - calm[-1].at >= LOCK


def test_one_that_is_late_but_there_is_asked_about_ever_more_rarely() -> None:
    memory, times = Memory(), []
    memory, _ = heard(memory, at=0.0, late=(), lock_seconds=LOCK)
    for quarter in range(4 * 60):
        at = 10 + quarter / 4
        memory, asked = heard(memory, at=at, late=[Peer("p", "b", 5.0)], lock_seconds=LOCK)
        if asked:
            times.append(at)
            memory, _ = judged(memory, asked, at=at, connected=[("p", "b")], server=SERVER, lock_seconds=LOCK)
        assert not pressing(memory, at=at)
    assert times == [10, 11, 13, 17, 25, 41, 57]
