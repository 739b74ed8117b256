"""Checklist: parents that wait (bullmq-protocol.md §4.1 step 2, §5.4, items 77-80)."""

from __future__ import annotations

from tests.conformance.arena import item
from tests.conformance.family import PARTS, end_children, events, key, tree
from tests.conformance.sides import PREFIX, QUEUE, START, Side, WorkerOptions


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
