"""The rules of leader election: by tables, and by a network that delays, repeats late, loses and stops as it likes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bullpen_operator.cluster.lease import Bid, Lease
from bullpen_operator.engine.elector import Elector, Read, Timing, Wait

if TYPE_CHECKING:
    from collections.abc import Callable

TIMING = Timing(duration=10, renew=6.0, every=2.0, retry=1.0)
START = 1000.0


def elector(identity: str = "me") -> Elector:
    return Elector(identity=identity, timing=TIMING)


def lease(holder: str = "other", version: str = "5", *, duration: float = 10, transitions: int = 2) -> Lease:
    return Lease(version=version, holder=holder, duration=duration, transitions=transitions, acquired="then")


def leader(at: float = START) -> Elector:
    """One that has taken a free Lease at that time, as version 6."""
    made = elector()
    made.see(lease(holder=""), now=at)
    made.accepted(lease("me", "6", transitions=3), sent_at=at)
    return made


def bid(version: str = "5", *, holder: str = "me", transitions: int = 3, acquired: str | None = None) -> Bid:
    return Bid(
        version=version,
        holder=holder,
        duration=10 if holder else 1,
        transitions=transitions,
        acquired=acquired,
    )


def seeing(first: Lease | None, *later: tuple[float, Lease | None]) -> Callable[[], Elector]:
    def make() -> Elector:
        made = elector()
        made.see(first, now=START)
        for after, each in later:
            made.see(each, now=START + after)
        return made

    return make


def after(change: Callable[[Elector], object], made: Callable[[], Elector] = leader) -> Callable[[], Elector]:
    def make() -> Elector:
        one = made()
        change(one)
        return one

    return make


STEPS: dict[str, tuple[Callable[[], Elector], float, Read | Bid | Wait]] = {
    "who knows nothing asks": (elector, 0, Read()),
    "who asked in vain waits for a retry": (after(lambda e: e.unanswered(since=START), elector), 0.5, Wait(START + 1)),
    "and asks again": (after(lambda e: e.unanswered(since=START), elector), 1, Read()),
    "a missing Lease is made by the first to come": (seeing(None), 0, bid("", transitions=1)),
    "one that nobody holds is taken": (seeing(lease("")), 0, bid()),
    "one that somebody holds is watched": (seeing(lease()), 9.9, Wait(START + 10, listen=True)),
    "until it was not renewed for its duration": (seeing(lease()), 10, bid()),
    "a renewal begins the wait anew": (
        seeing(lease(), (9, lease(version="6"))),
        10,
        Wait(START + 19, listen=True),
    ),
    "the same version seen again does not": (seeing(lease(), (9, lease())), 10, bid()),
    "a longer duration of the holder's counts": (
        seeing(lease(duration=15)),
        10,
        Wait(START + 15, listen=True),
    ),
    "a shorter one does not": (seeing(lease(duration=1)), 9, Wait(START + 10, listen=True)),
    "a release is taken at once": (seeing(lease(), (3, lease("", "6"))), 3, bid("6")),
    "whose Lease vanished may not know it yet": (seeing(lease(), (3, None)), 12.5, Wait(START + 13)),
    "which has an end": (seeing(lease(), (3, None)), 13, bid("", transitions=1)),
    "a refused bid is no knowledge": (after(lambda e: e.doubt(), seeing(lease())), 12, Read()),
    "a bid without answer neither": (after(lambda e: e.unanswered(since=START + 10), seeing(lease())), 11, Read()),
    "the leader rests": (leader, 1.9, Wait(START + 2)),
    "and renews what it holds": (leader, 2, bid("6", acquired="then")),
    "a renewal without answer is repeated": (
        after(lambda e: e.unanswered(since=START + 2)),
        3,
        bid("6", acquired="then"),
    ),
    "also when it does not know whether it leads": (leader, 9, bid("6", acquired="then")),
    "a refused renewal asks who holds it": (after(lambda e: e.doubt()), 2, Read()),
    "a lost renewal that was taken is renewed": (
        after(lambda e: e.see(lease("me", "7", transitions=3), now=START + 3), after(lambda e: e.doubt())),
        3,
        bid("7", acquired="then"),
    ),
    "a lost bid that was taken too": (
        seeing(lease(), (10, lease("me", "6", transitions=3))),
        10,
        bid("6", acquired="then"),
    ),
}


@pytest.mark.parametrize("row", STEPS.values(), ids=STEPS.keys())
def test_what_is_done_next(row: tuple[Callable[[], Elector], float, Read | Bid | Wait]) -> None:
    make, seconds, action = row
    assert make().next(START + seconds) == action


def test_a_renewal_counts_from_before_it_was_sent() -> None:
    assert leader(at=START).valid_until == START + 6


def test_a_lost_bid_that_was_taken_counts_only_once_it_is_renewed() -> None:
    made = seeing(lease(), (10, lease("me", "6")))()
    assert made.leads
    assert made.valid_until < START


@pytest.mark.parametrize("seen", [lease("other", "9"), lease("", "9"), None], ids=["taken", "cleared", "deleted"])
def test_who_led_and_no_longer_holds_it_has_lost_for_good(seen: Lease | None) -> None:
    made = leader()
    made.see(seen, now=START + 1)
    assert made.lost
    assert made.valid_until < START
    made.see(lease("me", "10"), now=START + 2)
    assert made.lost
    assert not made.leads


def test_the_leader_gives_up_what_it_holds_and_acts_no_more() -> None:
    made = leader()
    assert made.resign() == bid("6", holder="", acquired="then")
    assert made.valid_until < START


def test_a_standby_has_nothing_to_give_up() -> None:
    assert seeing(lease())().resign() is None


# A network without manners.


@dataclass
class Server:
    """Compare and swap, and every version there ever was."""

    versions: list[Lease] = field(default_factory=list)

    def put(self, bid: Bid) -> Lease | None:
        present = self.versions[-1].version if self.versions else ""
        if bid.version != present:
            return None
        made = Lease(
            version=str(len(self.versions) + 1),
            holder=bid.holder,
            duration=bid.duration,
            transitions=bid.transitions,
            acquired=bid.acquired or "now",
        )
        self.versions.append(made)
        return made


@dataclass
class Request:
    """One on its way: it may reach the server long after its sender has given it up, and its answer may stay away."""

    action: Read | Bid
    sent_at: float
    answered: bool = False
    answer: Lease | None = None


@dataclass
class Process:
    """A replica with a clock of its own, which may run a tenth too fast or too slow."""

    elector: Elector
    offset: float
    rate: float
    open: Request | None = None
    heard: int = 0
    """So many versions its watch has told, or a read has shown."""

    def clock(self, now: float) -> float:
        return self.offset + now * self.rate


class World:
    def __init__(self, clocks: list[tuple[float, float]]) -> None:
        self.now = 0.0
        self.server = Server()
        self.flying: list[Request] = []
        self.born = 0
        self.processes = [Process(self._elector(), *clock) for clock in clocks]

    def _elector(self) -> Elector:
        self.born += 1
        return elector(f"process-{self.born}")

    def act(self, process: Process) -> None:
        """Its next step: a request is sent, or, while it waits, its watch tells the next thing, however late."""
        if process.open is not None:
            return
        now = process.clock(self.now)
        action = process.elector.next(now)
        if not isinstance(action, Wait):
            process.open = Request(action, now)
            self.flying.append(process.open)
        elif action.listen and process.heard < len(self.server.versions):
            process.heard += 1
            process.elector.see(self.server.versions[process.heard - 1], now=now)

    def deliver(self, which: int) -> None:
        if not self.flying:
            return
        request = self.flying.pop(which % len(self.flying))
        if isinstance(request.action, Bid):
            request.answer = self.server.put(request.action)
        else:
            request.answer = self.server.versions[-1] if self.server.versions else None
        request.answered = True

    def receive(self, process: Process) -> None:
        request = process.open
        if request is None or not request.answered:
            return
        process.open = None
        if isinstance(request.action, Read):
            process.heard = max(process.heard, int(request.answer.version) if request.answer else 0)
            process.elector.see(request.answer, now=process.clock(self.now))
        elif request.answer is None:
            process.elector.doubt()
        else:
            process.heard = max(process.heard, int(request.answer.version))
            process.elector.accepted(request.answer, sent_at=request.sent_at)

    def give_up(self, process: Process) -> None:
        """The answer did not come in time. The request may still be on its way."""
        if process.open is not None:
            process.elector.unanswered(since=process.open.sent_at)
            process.open = None

    def leave(self, process: Process) -> None:
        """A clean stop: nothing of it acts any more before the Lease is given up. Then it starts anew."""
        release = process.elector.resign()
        if release is not None:
            self.server.put(release)
        self.die(process)

    def die(self, process: Process) -> None:
        process.elector, process.open, process.heard = self._elector(), None, 0

    def trip(self, process: Process) -> None:
        """As it should be: asked, done and answered in no time."""
        self.act(process)
        if process.open in self.flying:
            self.deliver(self.flying.index(process.open))
        self.receive(process)

    def lose(self, process: Process) -> None:
        """Asked and done, but the answer never comes."""
        self.act(process)
        if process.open in self.flying:
            self.deliver(self.flying.index(process.open))
        self.give_up(process)

    def valid(self) -> list[str]:
        return [
            each.elector.identity
            for each in self.processes
            if each.clock(self.now) < each.elector.valid_until and not each.elector.lost
        ]


# Most steps go by the rules, so that there is a leader to be disturbed.
EVENTS = ["trip"] * 9 + ["act"] * 3 + ["deliver"] * 2 + ["receive"] * 2 + ["lose"] * 3 + ["give_up", "leave", "die"]
PAUSES = st.sampled_from([0.0] * 6 + [0.3, 1.0, 2.0, 2.0, 5.9, 6.1, 11.1])
CLOCKS = st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from([0.9, 1.0, 1.1])), min_size=2, max_size=3)
STORY = st.lists(st.tuples(PAUSES, st.sampled_from(EVENTS), st.integers(0, 5)), min_size=10, max_size=60)


@settings(max_examples=500, deadline=None)
@given(clocks=CLOCKS, story=STORY)
def test_there_are_never_two_leaders(clocks: list[tuple[float, float]], story: list[tuple[float, str, int]]) -> None:
    world = World(clocks)
    for pause, event, which in story:
        world.now += pause
        if event == "deliver":
            world.deliver(which)
        else:
            getattr(world, event)(world.processes[which % len(world.processes)])
        assert len(world.valid()) <= 1
    transitions = [each.transitions for each in world.server.versions]
    assert transitions == sorted(transitions)


def test_with_a_network_that_works_somebody_leads_and_after_its_death_another() -> None:
    world = World([(0.0, 1.0), (500.0, 1.0), (7.0, 1.0)])

    def pass_time(seconds: float) -> None:
        end = world.now + seconds
        while world.now < end:
            for process in world.processes:
                world.act(process)
                world.deliver(0)
                world.receive(process)
            world.now += 0.25

    pass_time(2)
    (first,) = world.valid()
    pass_time(60)
    assert world.valid() == [first]
    assert {each.transitions for each in world.server.versions} == {1}
    world.die(next(each for each in world.processes if each.elector.identity == first))
    assert world.valid() == []
    pass_time(11)
    (second,) = world.valid()
    assert second != first
    world.leave(next(each for each in world.processes if each.elector.identity == second))
    pass_time(0.5)
    (third,) = world.valid()
    assert third != second
