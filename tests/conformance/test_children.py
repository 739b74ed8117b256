"""Checklist: what the end of a child means to its parent (bullmq-protocol.md §4.4, §9.3, items 72-76)."""

from __future__ import annotations

from typing import Any

from tests.conformance.arena import item
from tests.conformance.family import PARTS, end_children, events, key, tree
from tests.conformance.sides import PREFIX, QUEUE, START, Side


@item(72, "First child done: from dependencies to processed with its JSON value; the parent still waits.")
async def test_item_72_a_child_hands_its_value_to_its_parent(side: Side) -> None:
    await side.add_flow(tree("a", "b"))
    await end_children(side, {"ü": [1, None]})
    content = await side.content()
    assert content["whole:dependencies"]["value"] == [key("b")]
    assert content["whole:processed"]["value"] == {key("a"): '{"ü":[1,null]}'}
    assert await side.state("whole") == "waiting-children"
    assert (await side.children("whole"))["values"] == {key("a"): {"ü": [1, None]}}


@item(73, "Last child done: parent at the right of wait, event waiting prev waiting-children in its queue, marker.")
async def test_item_73_the_last_child_releases_its_parent(side: Side) -> None:
    await side.add("earlier")
    await side.add_flow(tree("a", "b"))
    await side.tamper("DEL", "marker")
    await end_children(side, 1, 2)
    content = await side.content()
    assert content["wait"]["value"] == ["1", "whole"]
    assert content["marker"]["value"] == {"0": 0}
    assert (await events(side))[-1] == [["event", "waiting"], ["jobId", "whole"], ["prev", "waiting-children"]]
    assert (await side.children("whole"))["counts"] == {"processed": 2, "unprocessed": 0, "ignored": 0, "failed": 0}


@item(73, "A parent is released into a paused queue, and into one at its concurrency, without a marker.")
async def test_item_73_a_released_parent_of_a_blocked_queue_wakes_nobody(side: Side) -> None:
    await side.add("running")
    await side.fetch()
    await side.add_flow(tree("a"))
    await side.tamper("HSET", "meta", "concurrency", 1)
    await side.tamper("DEL", "marker")
    await end_children(side, 1)
    assert "marker" not in await side.content()


@item(73, "Finishing several children in one call tells each parent.")
async def test_item_73_children_of_a_batch_tell_their_parents(side: Side) -> None:
    await side.add_flow(tree("a", "b", "c", ignoreDependencyOnFailure=True))
    await side.turn_to(PARTS)
    for _ in range(3):
        await side.fetch()
    await side.batch([{"job_id": "a", "value": 1}, {"job_id": "b", "reason": "broken"}, {"job_id": "c", "value": 3}])
    await side.turn_to(QUEUE)
    assert await side.state("whole") == "waiting"


@item(74, "fpof: unsuccessful has the child; defa; the parent leaves waiting-children at once; fails with that reason.")
async def test_item_74_a_child_fails_its_parent(side: Side) -> None:
    await side.add_flow(tree("a", "b", failParentOnFailure=True))
    await side.advance(10)
    await end_children(side, 0, reason="broken")
    content = await side.content()
    assert content["whole:unsuccessful"]["value"] == {key("a"): START + 10}
    assert content["whole"]["value"]["defa"] == f"child {key('a')} failed"
    await side.children("whole")
    assert await side.process({"value": 1}) == {"started": False}
    assert (await side.content())["whole"]["value"]["failedReason"] == f"child {key('a')} failed"
    await end_children(side, 0, reason="broken too")


@item(74, "A parent that its child fails goes where its delay and priority say, as any released one.")
async def test_item_74_a_parent_that_will_fail_is_placed_by_its_options(side: Side) -> None:
    for number, options in enumerate(({"priority": 3}, {"delay": 5_000}, {"delay": 5_000, "priority": 3})):
        parent = {"jobId": f"whole-{number}"} | options
        await side.add_flow(tree(f"part-{number}", parent=parent, failParentOnFailure=True))
        await side.advance(10)
        await end_children(side, 0, reason="broken")


@item(74, "The failure of a parent reaches its own parent in the same way.")
async def test_item_74_a_failure_goes_up(side: Side) -> None:
    leaf = {"name": "leaf", "queueName": PARTS, "opts": {"jobId": "a", "failParentOnFailure": True}}
    middle = {"name": "middle", "queueName": PARTS, "opts": {"jobId": "middle", "failParentOnFailure": True}}
    await side.add_flow(tree() | {"children": [middle | {"children": [leaf]}]})
    await end_children(side, 0, reason="broken")
    await side.turn_to(PARTS)
    assert await side.process({"value": 1}) == {"started": False}
    await side.turn_to(QUEUE)
    assert (await side.content())["whole"]["value"]["defa"] == f"child {key('middle')} failed"
    assert await side.process({"value": 1}) == {"started": False}
    assert await side.state("whole") == "failed"


@item(74, "A delayed parent goes to wait at once; an active, waiting or completed one is marked; a failed one is not.")
async def test_item_74_a_parent_may_be_elsewhere(side: Side) -> None:
    states = ("delayed", "delayed-prioritized", "wait", "prioritized", "active", "failed", "completed")
    for state in states:
        options: dict[str, Any] = {"delay": 60_000} if "delayed" in state else {}
        options |= {"priority": 5} if "prioritized" in state else {}
        await side.add(jobId=f"in-{state}", **options)
        if state in ("active", "failed", "completed"):
            await side.tamper("LREM", "wait", 0, f"in-{state}")
        if state == "active":
            await side.tamper("LPUSH", "active", f"in-{state}")
        if state in ("failed", "completed"):
            await side.tamper("ZADD", state, START, f"in-{state}")
        await side.turn_to(PARTS)
        parent = {"id": f"in-{state}", "queue": f"{PREFIX}:{QUEUE}"}
        await side.add("part", parent=parent, failParentOnFailure=True)
        await side.turn_to(QUEUE)
        await side.tamper("DEL", "marker")
    await end_children(side, *states, reason="broken")
    content = await side.content()
    assert "delayed" not in content
    assert "defa" in content["in-active"]["value"]
    assert "defa" not in content["in-failed"]["value"]


@item(74, "A child that its parent does not wait for any more changes nothing there, however it ends.")
async def test_item_74_a_child_that_is_no_dependency(side: Side) -> None:
    await side.add_flow(tree("a", "b", failParentOnFailure=True))
    await side.add_flow(tree("c", "d", parent={"jobId": "second"}, continueParentOnFailure=True))
    for parent, children in (("whole", ("a", "b")), ("second", ("c", "d"))):
        for child in children:
            await side.tamper("SREM", f"{parent}:dependencies", key(child))
    await end_children(side, 0)
    await end_children(side, 0, 0, reason="broken")
    await end_children(side, 0)
    assert await side.state("whole") == "waiting-children"


@item(74, "A parent that is gone hears nothing.")
async def test_item_74_a_parent_that_is_gone(side: Side) -> None:
    for flag in (
        "failParentOnFailure",
        "continueParentOnFailure",
        "ignoreDependencyOnFailure",
        "removeDependencyOnFailure",
    ):
        flags: dict[str, Any] = {flag: True}
        await side.add_flow(tree("a", "b", **flags))
        await side.tamper("DEL", "whole")
        await end_children(side, 0, reason="broken")
        await end_children(side, 0)
        await side.redis.flushdb()


@item(75, "cpof: `failed` hash has the reason; the parent is released at once.")
async def test_item_75_a_parent_goes_on_at_the_first_failure(side: Side) -> None:
    await side.add_flow(tree("a", "b", continueParentOnFailure=True))
    await end_children(side, 0, reason="broken: ü")
    content = await side.content()
    assert content["whole:failed"]["value"] == {key("a"): "broken: ü"}
    assert content["whole:dependencies"]["value"] == [key("b")]
    assert await side.state("whole") == "waiting"
    assert (await side.children("whole"))["ignored"] == {key("a"): "broken: ü"}
    await end_children(side, 1)


@item(76, "idof: `failed` hash has the reason; the parent is released only when nothing is pending.")
async def test_item_76_an_ignored_failure(side: Side) -> None:
    await side.add_flow(tree("a", "b", ignoreDependencyOnFailure=True))
    await end_children(side, 0, reason="broken")
    assert (await side.content())["whole:failed"]["value"] == {key("a"): "broken"}
    assert await side.state("whole") == "waiting-children"
    await end_children(side, 0, reason="broken too")
    assert await side.state("whole") == "waiting"
    await side.fetch()
    await side.complete("whole")


@item(76, "rdof: the same without a record.")
async def test_item_76_a_removed_dependency(side: Side) -> None:
    await side.add_flow(tree("a", "b", removeDependencyOnFailure=True))
    await end_children(side, 0, reason="broken")
    assert await side.state("whole") == "waiting-children"
    await end_children(side, 0, reason="broken too")
    assert "whole:failed" not in await side.content()
    assert await side.state("whole") == "waiting"
