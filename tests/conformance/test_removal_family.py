"""Checklist: what retries and removals do to a job's parent and children (bullmq-protocol.md §7, §9.4)."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tests.conformance.arena import item
from tests.conformance.sides import PREFIX, QUEUE, Side
from tests.conformance.test_upkeep import events

if TYPE_CHECKING:
    from collections.abc import Mapping

NOBODY: Mapping[str, str] = MappingProxyType({})


async def adopt(side: Side, parent: str, child: str, *, queue: str = QUEUE) -> None:
    """Make one job the parent of another of this queue, as a flow would have (§9.1)."""
    base = f"{PREFIX}:{queue}:"
    own = json.dumps({"id": parent, "queueKey": base.removesuffix(":")})
    await side.tamper("HSET", child, "parentKey", base + parent, "parent", own)
    await side.redis.sadd(f"{base}{parent}:dependencies", side.prefix + child)


async def family(side: Side, *, ended: Mapping[str, str] = NOBODY, children: int = 2, **options: Any) -> None:
    """Job 1 waits for the jobs 2 and on.

    Those in `ended` have completed, or failed as the parent knows by its `failed` or `unsuccessful`; the others are
    ready. What the parent was told is written here, so that nothing hangs on how a finish tells it.
    """
    await side.add(**options)
    await side.tamper("DEL", "wait", f"{side.prefix}prioritized", f"{side.prefix}delayed", f"{side.prefix}marker")
    await side.tamper("ZADD", "waiting-children", side.now or 0, "1")
    ids = [str(number) for number in range(2, children + 2)]
    for _ in ids:
        await side.add()
    for job_id in sorted(ended):
        fetched = (await side.fetch())["job"]["id"]
        assert fetched == job_id, "children end in the order in which they were added"
        await (side.complete(job_id) if ended[job_id] == "completed" else side.fail(job_id))
    for job_id in ids:
        await adopt(side, "1", job_id)
        child = f"{side.prefix}{job_id}"
        if job_id in ended:
            await side.tamper("SREM", "1:dependencies", child)
        match ended.get(job_id):
            case "completed":
                await side.tamper("HSET", "1:processed", child, '{"part":1}')
            case "failed":
                await side.tamper("HSET", "1:failed", child, "broken")
            case "unsuccessful":
                await side.tamper("ZADD", "1:unsuccessful", side.now or 0, child)


@item(90, "Retry of a child: its result is taken back from the parent, which waits for it again.")
async def test_item_90_a_retried_child_is_pending_again(side: Side) -> None:
    await family(side, ended={"2": "completed"}, children=3)
    await side.call("retry", job_id="2", state="completed")
    content = await side.content()
    assert content["1:dependencies"]["value"] == [f"{side.prefix}{number}" for number in (2, 3, 4)]
    assert "1:processed" not in content


@item(90, "Retry of a child whose failure the parent knows, in either way, or not, or whose parent is gone.")
async def test_item_90_a_failure_is_taken_back_from_the_parent(side: Side) -> None:
    await family(side, ended={"2": "failed", "3": "unsuccessful", "4": "failed", "5": "failed"}, children=4)
    await side.tamper("HDEL", "1:failed", f"{side.prefix}4")
    for job_id in ("2", "3", "4"):
        await side.call("retry", job_id=job_id, state="failed")
    await side.tamper("DEL", "1")
    await side.call("retry", job_id="5", state="failed")


@item(90, "Bulk retry gives the parents their pending children back, as v6 does (§7.2).")
async def test_item_90_many_retried_children_are_pending_again(side: Side) -> None:
    await family(side, ended={"2": "completed", "3": "failed", "4": "unsuccessful", "5": "completed"}, children=5)
    await side.call("retry_jobs", state="completed", count=10)
    await side.call("retry_jobs", state="failed", count=1)


@item(92, "Removing the last pending child releases the parent, whatever its delay or priority.")
async def test_item_92_the_last_pending_child_is_removed(side: Side) -> None:
    await family(side, priority=5, delay=10_000)
    await side.call("remove", job_id="2")
    await side.call("remove", job_id="3")
    content = await side.content()
    assert content["wait"]["value"] == ["1"]
    assert events(content)[-2:] == [["waiting", "1", "waiting-children"], ["removed", "3", "wait"]]


@item(92, "Removing a parent removes its children too, or leaves them when told to.")
async def test_item_92_a_parent_is_removed_with_its_children(side: Side) -> None:
    await family(side, ended={"2": "completed"})
    await side.call("remove", job_id="1")
    assert not {"1", "2", "3"} & (await side.content()).keys()
    await side.tamper("DEL", "id", f"{side.prefix}events")
    await family(side, ended={"2": "completed"})
    await side.call("remove", job_id="1", children=False)
    assert {"2", "3"} <= (await side.content()).keys()


@item(92, "A parent stays while a worker holds a pending descendant.")
async def test_item_92_a_parent_with_a_running_child_stays(side: Side) -> None:
    await family(side, children=2)
    await side.add()
    await adopt(side, "2", "4")
    await side.tamper("SET", "4:lock", "token")
    assert await side.call("remove", job_id="1") == 0
    await side.tamper("DEL", "4:lock")
    assert await side.call("remove", job_id="1") == 1


@item(92, "Failed and ignored children are removed with their parent.")
async def test_item_92_failed_children_are_removed(side: Side) -> None:
    await family(side, ended={"2": "failed", "3": "unsuccessful"}, children=2)
    await side.call("remove", job_id="1")
    assert not {"1", "2", "3"} & (await side.content()).keys()


@item(92, "Children that nobody runs are removed; the others stay (§7.1).")
async def test_item_92_unprocessed_children_are_removed(side: Side) -> None:
    await family(side, ended={"2": "completed", "3": "failed", "4": "failed"}, children=6)
    await side.tamper("HDEL", "1:failed", f"{side.prefix}4")
    await side.tamper("SADD", "1:dependencies", f"{side.prefix}4")
    await side.fetch()
    await side.call("remove_unprocessed", job_id="1")
    content = await side.content()
    assert {"2", "3", "4", "5"} <= content.keys()
    assert not {"6", "7"} & content.keys()


@item(92, "A child breaks with its parent (§7.1).")
async def test_item_92_a_child_leaves_its_parent(side: Side) -> None:
    await family(side, children=2)
    assert await side.call("leave_parent", job_id="2") is True
    assert await side.call("leave_parent", job_id="3") is True
    content = await side.content()
    assert "parentKey" not in content["2"]["value"]
    assert content["wait"]["value"][-1] == "1"


@item(92, "A cleaned last child takes its parent of the same queue along, and releases one of another queue silently.")
async def test_item_92_a_cleaned_child_takes_its_parent_along(side: Side) -> None:
    await family(side, children=2)
    await side.call("clean", grace=0, limit=1, state="wait")
    await side.call("clean", grace=0, limit=0, state="wait")
    assert not {"1", "2", "3"} & (await side.content()).keys()
    await elsewhere(side)
    await side.call("clean", grace=0, limit=0, state="wait")


@item(92, "A drained last child does the same.")
async def test_item_92_a_drained_child_takes_its_parent_along(side: Side) -> None:
    await family(side, children=2)
    await side.call("drain", delayed=False)
    assert not {"1", "2", "3"} & (await side.content()).keys()
    await elsewhere(side)
    await side.call("drain", delayed=False)


@item(92, "A removed child of another queue's parent releases it there, with an event.")
async def test_item_92_a_removed_child_releases_a_parent_elsewhere(side: Side) -> None:
    await elsewhere(side)
    await side.call("remove", job_id="1")


@item(93, "Obliterate with a parent that waits: in the same queue and in another.")
async def test_item_93_children_are_obliterated(side: Side) -> None:
    await family(side, children=2)
    await side.call("obliterate", force=False)
    await side.redis.flushdb()
    await elsewhere(side)
    await side.call("obliterate", force=False)


async def elsewhere(side: Side) -> None:
    """A job of this queue is the only child of job `p` of the queue `films`."""
    added = await side.add()
    film: dict[Any, Any] = {"name": "film", "data": "{}", "opts": "{}", "timestamp": side.now or 0}
    await side.redis.hset(f"{PREFIX}:films:p", mapping=film)
    await side.redis.zadd(f"{PREFIX}:films:waiting-children", {"p": side.now or 0})
    await adopt(side, "p", added, queue="films")
