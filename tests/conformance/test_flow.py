"""Checklist: flows (bullmq-protocol.md §9, items 14, 19 and 71-82)."""

from __future__ import annotations

from typing import Any

from tests.conformance.arena import item
from tests.conformance.sides import PREFIX, QUEUE, START, Side, WorkerOptions

PARTS = "parts"  # the queue of the children; the parent's is the one of all scenarios
PARENT = f"{PREFIX}:{QUEUE}:whole"


def key(child: str) -> str:
    return f"{PREFIX}:{PARTS}:{child}"


def tree(*children: str, parent: dict[str, Any] | None = None, **opts: Any) -> dict[str, Any]:
    """A parent `whole` in one queue and its children in another; `opts` are those of each child."""
    return {
        "name": "whole",
        "queueName": QUEUE,
        "data": {"of": list(children)},
        "opts": {"jobId": "whole"} | (parent or {}),
        "children": [
            {"name": "part", "queueName": PARTS, "data": child, "opts": {"jobId": child} | opts} for child in children
        ],
    }


async def end_children(side: Side, *values: Any, reason: str | None = None) -> None:
    """The worker of the children's queue ends one for each value; with a `reason`, it fails them."""
    await side.turn_to(PARTS)
    for value in values:
        child = (await side.fetch())["job"]["id"]
        await (side.complete(child, value) if reason is None else side.fail(child, reason))
    await side.turn_to(QUEUE)


async def events(side: Side, queue: str = "") -> list[list[list[str]]]:
    stream = (await side.content())[f"{PREFIX}:{queue}:events" if queue else "events"]
    found: list[list[list[str]]] = stream["value"]
    return found


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
                assert await side.refused(side.add(**{first: True, second: True})) is None
        await side.add(**{first: True})


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
        options = {"delay": 60_000} if "delayed" in state else {}
        priority = {"priority": 5} if "prioritized" in state else {}
        await side.add(jobId=f"in-{state}", **options, **priority)
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
        await side.add_flow(tree("a", "b", **{flag: True}))
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


@item(
    77, "No flag: the parent stays in waiting-children, the child in dependencies; a retry that succeeds releases it."
)
async def test_item_77_a_failure_that_nobody_handles(side: Side) -> None:
    await side.add_flow(tree("a", attempts=2))
    await end_children(side, 0, reason="broken")
    await end_children(side, 0, reason="broken again")
    assert await side.state("whole") == "waiting-children"
    assert (await side.content())["whole:dependencies"]["value"] == [key("a")]


@item(77, "A failed child that is removed on failure releases its parent; so does one pruned by a keep rule.")
async def test_item_77_a_failed_child_that_is_removed(side: Side) -> None:
    await side.add_flow(tree("a", parent={"priority": 4}, removeOnFail=True))
    await end_children(side, 0, reason="broken")
    assert await side.state("whole") == "waiting"
    await side.add_flow(tree("b", parent={"jobId": "second", "delay": 50}, removeOnFail=1))
    await end_children(side, 0, reason="broken")
    assert await side.state("second") == "waiting-children"
    await side.turn_to(PARTS)
    await side.add("other", removeOnFail=1)
    await side.turn_to(QUEUE)
    await side.advance(10)
    await end_children(side, 0, reason="broken")
    assert await side.state("second") == "waiting"


@item(78, "Completing a parent with pending children: -4, lock kept.")
async def test_item_78_a_parent_cannot_complete_before_its_children(side: Side) -> None:
    await side.add(jobId="whole")
    await side.fetch()
    await side.add("part", parent={"id": "whole", "queue": f"{PREFIX}:{QUEUE}"})
    assert await side.refused(side.complete("whole")) == -4
    content = await side.content()
    assert content["whole:lock"]
    assert content["active"]["value"] == ["whole"]


@item(78, "Completing a parent with failed children: -9.")
async def test_item_78_a_parent_cannot_complete_with_failed_children(side: Side) -> None:
    await side.add(jobId="whole")
    await side.fetch()
    await side.turn_to(PARTS)
    await side.add("part", parent={"id": "whole", "queue": f"{PREFIX}:{QUEUE}"}, failParentOnFailure=True)
    await side.turn_to(QUEUE)
    await end_children(side, 0, reason="broken")
    assert (await side.content())["whole"]["value"]["defa"]
    assert await side.refused(side.complete("whole")) == -9
    assert await side.refused(side.wait_for_children("whole")) == -9
    await side.fail("whole", "broken by a part", unrecoverable=True)


@item(79, "Parent with priority 5: released to prioritized; with delay: released to delayed.")
async def test_item_79_a_parent_is_released_by_its_options(side: Side) -> None:
    await side.add(priority=5)
    await side.add_flow(tree("a", parent={"priority": 5}))
    await end_children(side, 0)
    assert len((await side.content())["prioritized"]["value"]) == 2
    for parent in ("second", "third"):
        await side.add_flow(tree(parent + "-part", parent={"jobId": parent, "delay": 1_000, "priority": 2}))
        await side.advance(100)
        await end_children(side, 0)
    content = await side.content()
    assert content["delayed"]["value"] == {
        "second": (START + 1_100) * 4096,
        "third": (START + 1_200) * 4096,
    }
    assert content["marker"]["value"]["1"] == START + 1_100


@item(79, "cpof heeds the parent's delay and priority too.")
async def test_item_79_a_parent_that_goes_on_at_a_failure_is_placed_by_its_options(side: Side) -> None:
    await side.add_flow(tree("a", parent={"priority": 5}, continueParentOnFailure=True))
    await side.add_flow(tree("b", parent={"jobId": "second", "delay": 1_000}, continueParentOnFailure=True))
    await end_children(side, 0, 0, reason="broken")
    assert await side.state("whole") == "prioritized"
    assert await side.state("second") == "delayed"


@item(80, "moveToWaitingChildren with nothing pending: refused (1), the job stays active and locked.")
async def test_item_80_a_parent_waits_only_for_pending_children(side: Side) -> None:
    await side.add(jobId="whole")
    await side.fetch()
    assert not await side.wait_for_children("whole")
    assert (await side.content())["whole:lock"]
    parent = {"id": "whole", "queue": f"{PREFIX}:{QUEUE}"}
    await side.turn_to(PARTS)
    await side.add("part", jobId="a", parent=parent)
    await side.turn_to(QUEUE)
    other = {"id": "b", "queue": f"{PREFIX}:{PARTS}"}
    assert not await side.call("wait_for_children", job_id="whole", token="token-1", child=other)
    assert await side.refused(side.wait_for_children("whole", token="another")) == -6
    await side.advance(10)
    assert await side.wait_for_children("whole")
    content = await side.content()
    assert content["waiting-children"]["value"] == {"whole": START + 10}
    assert "active" not in content
    assert (await events(side))[-1] == [["event", "waiting-children"], ["jobId", "whole"], ["prev", "active"]]
    await end_children(side, {"painted": True})
    fetched = await side.fetch(worker=WorkerOptions(name="again"))
    assert fetched["job"]["attemptsStarted"] == 2
    assert not await side.wait_for_children("whole")
    await side.complete("whole", (await side.children("whole"))["values"])


@item(80, "Waiting checks the owner: -2, -3, -1.")
async def test_item_80_only_the_owner_lets_a_parent_wait(side: Side) -> None:
    parent = {"id": "whole", "queue": f"{PREFIX}:{QUEUE}"}
    await side.add(jobId="whole")
    await side.fetch()
    await side.add("part", parent=parent)
    child = {"id": "2", "queue": f"{PREFIX}:{QUEUE}"}
    await side.tamper("DEL", "whole:lock")
    assert await side.refused(side.wait_for_children("whole")) == -2
    await side.tamper("SET", "whole:lock", "token-1")
    await side.tamper("LREM", "active", 0, "whole")
    assert await side.refused(side.call("wait_for_children", job_id="whole", token="token-1", child=child)) == -3
    await side.tamper("DEL", "whole")
    assert await side.refused(side.wait_for_children("whole")) == -1


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
