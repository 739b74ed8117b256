"""Checklist: removing children and parents (bullmq-protocol.md §7.1, §7.4, §9.4, items 81 and 82)."""

from __future__ import annotations

from typing import Any

from tests.conformance.arena import item
from tests.conformance.family import PARTS, end_children, events, key, tree
from tests.conformance.sides import QUEUE, Side


@item(81, "Removing the last pending child's dependency releases the parent to wait, whatever its options.")
async def test_item_81_the_last_child_that_leaves_releases_its_parent(side: Side) -> None:
    await side.add_flow(tree("a", "b", parent={"priority": 5, "delay": 1_000}))
    await side.turn_to(PARTS)
    assert await side.call("leave_parent", job_id="a")
    assert "parentKey" not in (await side.content())[key("a")]["value"]
    assert await side.call("leave_parent", job_id="b")
    await side.turn_to(QUEUE)
    assert await side.state("whole") == "waiting"
    await side.add_flow(tree("c", parent={"jobId": "second"}))
    await side.tamper("SREM", "second:dependencies", key("c"))
    await side.turn_to(PARTS)
    assert not await side.call("leave_parent", job_id="c")
    await side.turn_to(QUEUE)
    await side.tamper("DEL", "second")
    await side.turn_to(PARTS)
    assert await side.refused(side.call("leave_parent", job_id="c")) == -5


@item(81, "Removing the last pending child releases its parent to wait, whatever its delay and priority.")
async def test_item_81_removing_the_last_child_releases_its_parent(side: Side) -> None:
    await side.add_flow(tree("a", "b", parent={"priority": 5, "delay": 1_000}))
    await side.tamper("DEL", "marker")
    await side.turn_to(PARTS)
    await side.call("remove", job_id="a")
    await side.call("remove", job_id="b")
    await side.turn_to(QUEUE)
    content = await side.content()
    assert content["wait"]["value"] == ["whole"]
    assert content["marker"]["value"] == {"0": 0}
    assert (await events(side))[-1] == [["event", "waiting"], ["jobId", "whole"], ["prev", "waiting-children"]]


@item(81, "A parent stays where it is when a child is removed that it does not wait for, or while others are pending.")
async def test_item_81_a_removed_child_that_nobody_waits_for(side: Side) -> None:
    await side.add_flow(tree("a", "b"))
    await end_children(side, 1)
    await side.turn_to(PARTS)
    await side.call("remove", job_id="a")
    await side.turn_to(QUEUE)
    assert await side.state("whole") == "waiting-children"
    assert (await side.children("whole"))["values"] == {key("a"): 1}


@item(81, "Cleaning and draining delete a parent of the same queue with its last child; another queue's goes to wait.")
async def test_item_81_children_that_are_swept_away(side: Side) -> None:
    def node(job_id: str, *children: dict[str, Any], queue: str = QUEUE) -> dict[str, Any]:
        return {"name": "node", "queueName": queue, "opts": {"jobId": job_id}, "children": list(children)}

    for sweep, options in (
        ("clean", {"grace": 0, "limit": 0, "state": "wait"}),
        ("drain", {"delayed": False}),
    ):
        await side.add_flow(node(f"{sweep}-root", node(f"{sweep}-middle", node(f"{sweep}-leaf"))))
        await side.call(sweep, **options)
        await side.add_flow(node(f"{sweep}-near", node(f"{sweep}-below", node(f"{sweep}-far", queue=PARTS))))
        await side.turn_to(PARTS)
        await side.call(sweep, **options)
        await side.turn_to(QUEUE)
        await side.call(sweep, **options)


@item(82, "Removing a parent with its children removes finished ones too, with removed events in their queues.")
async def test_item_82_a_parent_is_removed_with_its_children(side: Side) -> None:
    await side.add_flow(tree("a", "b", "c", "d", ignoreDependencyOnFailure=True))
    await end_children(side, 1)
    await end_children(side, 0, reason="broken")
    await side.turn_to(PARTS)
    await side.call("change_priority", job_id="d", priority=2)
    await side.turn_to(QUEUE)
    await side.call("remove", job_id="whole", children=True)
    content = await side.content()
    assert not {"whole", key("a"), key("b"), key("c"), key("d")} & content.keys()
    assert sum(entry[0][1] == "removed" for entry in await events(side, PARTS)) == 4


@item(82, "Children of children go too, those that failed their parent among them; without children, only the parent.")
async def test_item_82_a_tree_is_removed(side: Side) -> None:
    for removes in (True, False):
        leaf = {"name": "leaf", "queueName": PARTS, "opts": {"jobId": f"leaf-{removes}", "failParentOnFailure": True}}
        middle = {"name": "middle", "queueName": QUEUE, "opts": {"jobId": f"middle-{removes}"}, "children": [leaf]}
        last = {"name": "last", "queueName": QUEUE, "opts": {"jobId": f"last-{removes}", "delay": 1_000}}
        root = {"name": "root", "queueName": QUEUE, "opts": {"jobId": f"root-{removes}"}, "children": [middle, last]}
        await side.add_flow(root)
        await end_children(side, 0, reason="broken")
        await side.call("remove", job_id=f"root-{removes}", children=removes)


@item(82, "Nothing is removed while a worker holds a child that the parent waits for.")
async def test_item_82_a_child_that_runs_keeps_its_parent(side: Side) -> None:
    await side.add_flow(tree("a", "b"))
    await side.turn_to(PARTS)
    await side.fetch()
    await side.turn_to(QUEUE)
    assert await side.call("remove", job_id="whole", children=True) == 0
    await side.call("remove_unprocessed", job_id="whole")
    assert (await side.content())["whole:dependencies"]["value"] == [key("a")]
    await end_children(side)


@item(82, "Removing unprocessed children leaves those that ended or failed.")
async def test_item_82_unprocessed_children_are_removed(side: Side) -> None:
    await side.add_flow(tree("a", "b", "c", "d", attempts=1))
    await end_children(side, 1)
    await end_children(side, 0, reason="broken")
    await side.call("remove_unprocessed", job_id="whole")
    assert (await side.content())["whole:dependencies"]["value"] == [key("b")]
