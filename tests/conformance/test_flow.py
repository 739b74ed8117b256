"""Checklist: adding flows and children (bullmq-protocol.md §2.4, §9.1, §9.2, items 14, 19 and 71)."""

from __future__ import annotations

from typing import Any

from tests.conformance.arena import item
from tests.conformance.family import PARENT, PARTS, end_children, events, key, tree
from tests.conformance.sides import PREFIX, QUEUE, START, Side


@item(14, "Two of fpof/cpof/idof/rdof together are refused.")
async def test_item_14_a_failure_has_one_effect_on_the_parent(side: Side) -> None:
    flags = (
        "failParentOnFailure",
        "continueParentOnFailure",
        "ignoreDependencyOnFailure",
        "removeDependencyOnFailure",
    )
    for first in flags:
        for second in flags:
            if first < second:
                both: dict[str, Any] = {first: True, second: True}
                assert await side.refused(side.add(**both)) is None
        one: dict[str, Any] = {first: True}
        await side.add(**one)


@item(19, "Missing parent: -5, no key written, counter unchanged.")
async def test_item_19_a_child_needs_its_parent(side: Side) -> None:
    assert await side.refused(side.add(parent={"id": "gone", "queue": f"{PREFIX}:{QUEUE}"})) == -5
    assert await side.content() == {}
    await side.add()
    before = await side.content()
    await side.refused(side.add(parent={"id": "gone", "queue": f"{PREFIX}:{QUEUE}"}))
    assert await side.content() == before


@item(19, "A child may be added later, of the same or another queue, placed by its own options.")
async def test_item_19_a_child_is_added_to_a_parent_there_is(side: Side) -> None:
    await side.add(jobId="whole")
    await side.fetch()
    parent = {"id": "whole", "queue": f"{PREFIX}:{QUEUE}"}
    await side.add("part", {"n": 1}, parent=parent, failParentOnFailure=True)
    await side.add("part", {"n": 2}, parent=parent, delay=1_000)
    await side.turn_to(PARTS)
    await side.add("part", {"n": 3}, parent=parent, jobId="three", priority=3)
    await side.add("part", {"n": 4}, parent=parent, lifo=True)
    await side.turn_to(QUEUE)
    assert sorted((await side.content())["whole:dependencies"]["value"]) == [
        f"{PREFIX}:{PARTS}:2",
        f"{PREFIX}:{PARTS}:three",
        f"{PREFIX}:{QUEUE}:2",
        f"{PREFIX}:{QUEUE}:3",
    ]


@item(
    19, "Duplicate id with a parent: linked when it has none or the same, -7 when another's, re-linked when that died."
)
async def test_item_19_a_job_there_is_gets_a_parent(side: Side) -> None:
    for parent in ("whole", "other"):
        await side.add(jobId=parent)
    whole, other = ({"id": each, "queue": f"{PREFIX}:{QUEUE}"} for each in ("whole", "other"))
    await side.turn_to(PARTS)
    await side.add("part", jobId="a")
    await side.add("part", jobId="a", parent=whole, ignoreDependencyOnFailure=True)
    await side.add("part", jobId="a", parent=whole)
    assert await side.refused(side.add("part", jobId="a", parent=other)) == -7
    await side.add("part", jobId="a")
    await side.turn_to(QUEUE)
    await side.tamper("DEL", "whole")
    await side.turn_to(PARTS)
    await side.add("part", jobId="a", parent=other)


@item(19, "A duplicate that has completed gives its value to the parent, which goes on when it waits for nothing else.")
async def test_item_19_a_completed_job_gets_a_parent(side: Side) -> None:
    await side.turn_to(PARTS)
    await side.add("part", jobId="a")
    await side.fetch()
    await side.complete("a", {"done": True})
    await side.turn_to(QUEUE)
    whole = {"id": "whole", "queue": f"{PREFIX}:{QUEUE}"}
    await side.add_flow(tree("b"))
    await side.turn_to(PARTS)
    await side.add("part", jobId="a", parent=whole)
    await side.turn_to(QUEUE)
    assert (await side.content())["whole:processed"]["value"] == {key("a"): '{"done":true}'}
    await end_children(side, "b")
    # In one queue, the order of the events shows.
    await side.add(jobId="c")
    await side.fetch()
    await side.fetch()
    await side.complete("c", 1)
    await side.add("whole", jobId="second")
    await side.tamper("LREM", "wait", 1, "second")
    await side.tamper("ZADD", "waiting-children", START, "second")
    await side.add(jobId="c", parent={"id": "second", "queue": f"{PREFIX}:{QUEUE}"})
    assert (await side.content())["wait"]["value"] == ["second"]


@item(71, "Flow with two children: parent waits, dependencies = full keys, children have parentKey, parent with flags.")
async def test_item_71_a_parent_waits_for_its_children(side: Side) -> None:
    await side.add_flow(tree("a", "b", failParentOnFailure=True))
    content = await side.content()
    assert content["waiting-children"]["value"] == {"whole": START}
    assert content["whole:dependencies"]["value"] == [key("a"), key("b")]
    child = content[key("a")]["value"]
    assert child["parentKey"] == PARENT
    assert child["parent"] == {"id": "whole", "queueKey": f"{PREFIX}:{QUEUE}", "fpof": True}
    assert child["opts"]["parent"] == {"id": "whole", "queue": f"{PREFIX}:{QUEUE}"}
    assert (await events(side))[-1] == [["event", "waiting-children"], ["jobId", "whole"]]
    assert await side.state("whole") == "waiting-children"


@item(71, "Added level by level, each leaf placed by its own options, ids made up for those that have none.")
async def test_item_71_a_flow_of_several_levels(side: Side) -> None:
    def node(job_id: str, *children: dict[str, Any], queue: str = QUEUE, **opts: Any) -> dict[str, Any]:
        options = {"jobId": job_id} | opts
        return {"name": "node", "queueName": queue, "opts": options, "children": list(children)}

    early = node("y", queue=PARTS, lifo=True, timestamp=START - 10)
    await side.add_flow(
        node(
            "root",
            node("m", node("l", node("x"), early, delay=9), node("k", delay=1_000), queue=PARTS, priority=1),
            node("n", node("i", priority=2, removeDependencyOnFailure=True), node("j", queue=PARTS)),
            node("o"),
            priority=7,
        )
    )
    await side.add_flow(
        {"name": "root", "queueName": QUEUE, "data": None, "children": [{"name": "leaf", "queueName": PARTS}]}
    )


@item(71, "A child that completed before does not start its parent before the parent's other children are added.")
async def test_item_71_a_completed_child_starts_nothing_early(side: Side) -> None:
    await side.turn_to(PARTS)
    for child in ("a", "b"):
        await side.add("part", jobId=child)
        await side.fetch()
        await side.complete(child, child)
    await side.turn_to(QUEUE)
    await side.add_flow(tree("a", "c"))
    await side.add_flow(tree("b", parent={"jobId": "second"}))
    assert await side.state("second") == "waiting"


@item(71, "A parent that exists already is announced as a duplicate and gets the new children.")
async def test_item_71_a_parent_there_is_gets_more_children(side: Side) -> None:
    await side.add_flow(tree("a"))
    await side.add_flow(tree("a", "b"))
    assert (await side.content())["whole:dependencies"]["value"] == [key("a"), key("b")]


@item(71, "A flow below a parent there is.")
async def test_item_71_a_flow_has_a_parent_of_its_own(side: Side) -> None:
    await side.add(jobId="root")
    await side.add_flow(tree("a", parent={"parent": {"id": "root", "queue": f"{PREFIX}:{QUEUE}"}}))
    assert (await side.content())["root:dependencies"]["value"] == [PARENT]
