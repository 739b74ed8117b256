"""Checklist: what is asked about a queue agrees with Node's answers in every state (§7.5, item 94)."""

from __future__ import annotations

from tests.conformance.arena import item
from tests.conformance.sides import Side
from tests.conformance.test_removal_family import family

STATES = ("waiting", "active", "prioritized", "delayed", "completed", "failed", "waiting-children")


async def ask(side: Side, *job_ids: str) -> None:
    """Ask everything there is to ask."""
    await side.counts()
    await side.call("settings")
    await side.call("priorities", priorities=[0, 1, 2, 2_097_151])
    for state in STATES:
        for asc in (True, False):
            await side.call("page", state=state, start=0, end=-1, asc=asc)
    for job_id in job_ids:
        await side.state(job_id)
        await side.job(job_id)
        await side.call("finished", job_id=job_id)


@item(94, "State, counts, isFinished and lists agree with Node's answers as jobs go through all states.")
async def test_item_94_answers_agree_as_jobs_move(side: Side) -> None:
    await ask(side)
    for priority in (0, 2, 1, 2, 2_097_151, 0):
        await side.add(priority=priority)
    await side.add(delay=5_000)
    await side.add(delay=1_000, priority=1)
    ids = [str(number) for number in range(1, 9)]
    await ask(side, *ids)
    for token in ("one", "two", "three"):
        await side.fetch(token)
    await ask(side, *ids)
    await side.complete("1", {"a": [None, "ü"]}, token="one")
    await side.fail("6", 'no "paint"', token="two")
    await ask(side, *ids)
    await side.call("promote", job_id="7")
    await side.call("retry", job_id="6", state="failed")
    await side.call("remove", job_id="2")
    await ask(side, "1", "3", "4", "5", "6", "7", "8")
    await side.call("drain", delayed=True)
    await side.call("clean", grace=0, limit=0, state="completed")
    await ask(side, "3")


@item(94, "Answers agree for retried, delayed, released and lost jobs.")
async def test_item_94_answers_agree_after_failures(side: Side) -> None:
    await side.add(attempts=2)
    await side.add(attempts=2, backoff={"type": "fixed", "delay": 1_000})
    await side.add()
    await side.fetch("one")
    await side.fail("1", token="one")
    await side.fetch("two")
    await side.fail("2", token="two")
    await side.fetch("three")
    await side.release("3", token="three")
    await ask(side, "1", "2", "3")
    await side.fetch("lost")
    await side.stalled_check()
    await side.advance(30_000)
    await side.stalled_check()
    await ask(side, "1", "2", "3")


@item(94, "Answers agree for parents that wait.")
async def test_item_94_answers_agree_for_families(side: Side) -> None:
    await family(side, ended={"2": "completed"}, children=3)
    await ask(side, "1", "2", "3", "4")


@item(94, "Pages of ids, from both ends, beyond the end and past it.")
async def test_item_94_pages_agree(side: Side) -> None:
    for number in range(7):
        await side.add(priority=1 if number > 3 else 0)
        await side.add(delay=number * 100 + 1)
    for state in ("waiting", "prioritized", "delayed"):
        for start, end in ((0, 0), (1, 2), (0, 99), (2, -1), (3, 3), (50, 60)):
            for asc in (True, False):
                await side.call("page", state=state, start=start, end=end, asc=asc)


@item(94, "The lists of a paused queue.")
async def test_item_94_answers_agree_while_paused(side: Side) -> None:
    for number in range(4):
        await side.add(priority=2 if number == 3 else 0)
    await side.tamper("HSET", "meta", "paused", 1)
    await side.tamper("RENAME", "wait", f"{side.prefix}paused")
    await side.counts()
    await side.call("settings")
    await side.state("1")
    await side.state("4")
