"""Runs one scenario on BullMQ and on ours, and compares every step.

    @item(30, "Fetch: id moved from right of `wait` to left of `active` …")
    async def test_item_30_fetch_moves_the_oldest_job_to_active(side: Side) -> None:
        await side.add()
        …

makes a test that runs against each BullMQ generation. What the scenario asserts by itself holds on all sides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from redis.asyncio import Redis

from bullpen.client.connection import Link
from bullpen.protocol.location import RedisLocation
from tests.conformance.compare import Difference, differences
from tests.conformance.intended import INTENDED, Intended
from tests.conformance.node_side import NodeDriver, NodeSide
from tests.conformance.our_side import OurSide, Runner
from tests.conformance.sides import Side, Step

if TYPE_CHECKING:
    from bullpen.protocol.scripts import Script

Scenario = Callable[[Side], Awaitable[None]]
ITEMS: Final = range(1, 97)
OUR_DB: Final = 9


@dataclass(frozen=True, slots=True)
class Found:
    """What a comparison found: differences by the step at which they first showed, and which of them are intended."""

    unexpected: tuple[str, ...]
    used: frozenset[Intended]


@dataclass(frozen=True, slots=True)
class Arena:
    """BullMQ of one generation and ours, each on an empty Redis database of its own."""

    generation: int
    driver: NodeDriver
    node_redis: Redis
    our_redis: Redis
    link: Runner

    def node(self) -> NodeSide:
        return NodeSide(redis=self.node_redis, driver=self.driver)

    def ours(self, *, alter: Callable[[Script], Script] | None = None) -> OurSide:
        return OurSide(redis=self.our_redis, link=self.link, alter=alter)

    async def compare(self, item: ItemTest) -> Found:
        theirs = await run(item.scenario, self.node())
        ours = await run(item.scenario, self.ours())
        return compare_steps(theirs, ours, generation=self.generation, item=item.number)


@asynccontextmanager
async def opened(driver: NodeDriver, port: int) -> AsyncIterator[Arena]:
    """An arena on the Redis of that port; Node's database is the one of its generation's number."""
    node = Redis(port=port, db=driver.generation, decode_responses=True)
    ours = Redis(port=port, db=OUR_DB, decode_responses=True)
    async with node, ours, Link(RedisLocation.parse(f"redis://127.0.0.1:{port}/{OUR_DB}")) as link:
        yield Arena(driver.generation, driver, node, ours, link)


async def run(scenario: Scenario, side: Side) -> list[Step]:
    """Run a scenario from an empty database on; what each of its operations did."""
    async with side.opened():
        await scenario(side)
    return side.steps


def compare_steps(theirs: list[Step], ours: list[Step], *, generation: int, item: int) -> Found:
    """Compare two runs of one scenario; a difference that stays is told once, at the step that made it."""
    if [step.operation for step in theirs] != [step.operation for step in ours]:
        raise AssertionError("the scenario took different ways on the two sides")
    told: set[str] = set()
    unexpected: list[str] = []
    used: set[Intended] = set()
    for number, (their, our) in enumerate(zip(theirs, ours, strict=True), 1):
        found = [*differences(their.reply, our.reply, ("reply",)), *differences(their.content, our.content)]
        for difference in found:
            if row := _intended(difference, generation=generation, item=item):
                used.add(row)
            elif str(difference) not in told:
                told.add(str(difference))
                unexpected.append(f"step {number}, {our.operation}{dict(our.arguments)}: {difference}")
    return Found(tuple(unexpected), frozenset(used))


def _intended(difference: Difference, *, generation: int, item: int) -> Intended | None:
    for row in INTENDED:
        if generation in row.generations and item in row.items and row.covers(difference):
            return row
    return None


@dataclass(frozen=True, slots=True)
class ItemTest:
    """One scenario of the checklist (bullmq-protocol.md §13)."""

    number: int
    sentence: str
    scenario: Scenario


REGISTRY: Final[dict[str, ItemTest]] = {}


def item(number: int, sentence: str) -> Callable[[Scenario], Callable[[Arena], Awaitable[None]]]:
    """Make a scenario a test of that item of the checklist; `sentence` says what the item demands."""
    assert number in ITEMS

    def make(scenario: Scenario) -> Callable[[Arena], Awaitable[None]]:
        checked = ItemTest(number, sentence, scenario)
        name = getattr(scenario, "__name__", "")
        REGISTRY[name] = checked

        async def test(arena: Arena) -> None:
            found = await arena.compare(checked)
            assert not found.unexpected, f"{sentence}\n" + "\n".join(found.unexpected)

        # Not functools.wraps: pytest would follow __wrapped__ and ask for a fixture named `side`.
        test.__name__, test.__qualname__, test.__module__ = name, name, scenario.__module__
        test.__doc__ = sentence
        return test

    return make


async def differ(scenario: Scenario, arena: Arena) -> bool:
    """Whether this generation does otherwise than we do, in a scenario that demands what we do."""

    async def undemanding(side: Side) -> None:
        with suppress(AssertionError, KeyError):
            await scenario(side)

    theirs, ours = await run(undemanding, arena.node()), await run(scenario, arena.ours())
    found = compare_steps(theirs, ours[: len(theirs)], generation=arena.generation, item=0)
    return bool(found.unexpected)
