"""Flows as producers add them: all of a tree or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from bullpen.client.flows import FlowNode, FlowProducer
from bullpen.errors import BullpenError, ConfigurationError, JobMissing, WrongState
from bullpen.protocol import JobOptions, QueueKeys
from bullpen.protocol.calls.flow import OnFailure, Parent
from bullpen.protocol.deduplication import Deduplication
from tests.integration.client.desk import Desk, completed

if TYPE_CHECKING:
    from bullpen.client.connection import Link

IMAGES = QueueKeys("bull", "images")


@pytest.fixture
def flows(link: Link) -> FlowProducer:
    return FlowProducer(link=link, prefix="bull")


def node(name: str, *children: FlowNode, queue: str = "images", **settings: Any) -> FlowNode:
    on_failure = settings.pop("on_failure", None)
    options = JobOptions(job_id=name, **settings)
    return FlowNode(queue=queue, name=name, options=options, on_failure=on_failure, children=children)


async def test_the_ids_come_back_in_the_shape_of_the_tree(flows: FlowProducer, desk: Desk) -> None:
    leaf = FlowNode(queue="images", name="draw", data={"scene": 1})
    added = await flows.add(
        FlowNode(queue="videos", name="merge", children=[leaf, node("cut", leaf, leaf, queue="videos"), leaf])
    )
    assert [child.queue for child in added.children] == ["images", "videos", "images"]
    assert added.children[1].job_id == "cut"
    assert len(added.children[1].children) == 2
    assert desk.raw.scard(f"bull:videos:{added.job_id}:dependencies") == 3
    ids = [each.job_id for each in (added.children[0], *added.children[1].children, added.children[2])]
    assert [desk.raw.hget(f"bull:images:{each}", "data") for each in ids] == ['{"scene":1}'] * 4
    assert len(set(ids)) == 4


REFUSED: dict[str, tuple[Callable[[], FlowNode], str]] = {
    "an id twice in the tree": (lambda: node("merge", node("a"), node("b", node("a"))), "'a' is twice in the flow"),
    "a whole number as id": (lambda: node("merge", node("7")), "whole number"),
    "a colon in an id": (lambda: node("merge", node("a:b")), "contains ':'"),
    "a queue with a colon": (lambda: node("merge", node("a", queue="a:b")), "contains ':'"),
    "no name": (lambda: FlowNode(queue="videos", name=""), "name is empty"),
    "data that is no JSON": (lambda: FlowNode(queue="videos", name="merge", data={1j}), "cannot be written as JSON"),
    "a child that is deduplicated": (
        lambda: node("merge", node("a", deduplication=Deduplication("x"))),
        "cannot be deduplicated",
    ),
    "a parent that is deduplicated": (
        lambda: node("merge", node("a"), deduplication=Deduplication("x")),
        "cannot be deduplicated",
    ),
    "two effects of one failure": (
        lambda: node("merge", node("a", on_failure=OnFailure.IGNORE, extra={"fpof": True})),
        "exclude each other",
    ),
}


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED)
async def test_a_bad_tree_is_refused_before_anything_is_written(
    row: tuple[Callable[[], FlowNode], str], flows: FlowProducer, desk: Desk
) -> None:
    make, why = row
    with pytest.raises(ConfigurationError, match=why):
        await flows.add(make())
    assert desk.fingerprint() == {}


async def test_nothing_is_added_when_one_child_belongs_to_another_parent(flows: FlowProducer, desk: Desk) -> None:
    await flows.add(node("first", node("shared"), queue="videos"))
    jobs = set(desk.raw.keys("bull:*")) - {"bull:images:id"}
    with pytest.raises(WrongState, match=r"job 'shared' of queue 'images' .* belongs to the parent bull:videos:first"):
        await flows.add(node("second", node("own"), node("shared"), queue="videos"))
    assert set(desk.raw.keys("bull:*")) - {"bull:images:id"} == jobs


async def test_nothing_is_added_below_a_parent_that_is_gone(flows: FlowProducer, desk: Desk) -> None:
    with pytest.raises(JobMissing, match="its parent bull:videos:gone does not exist"):
        await flows.add(node("a", node("b")), parent=Parent(desk.keys, "gone"))
    assert desk.fingerprint() == {}


async def test_a_parent_that_runs_gets_children_and_ends_after_them(flows: FlowProducer, desk: Desk) -> None:
    await desk.add()
    running = await desk.claim_one()
    await flows.add(node("a"), parent=Parent(desk.keys, running.job.id))
    [status] = await desk.finish(completed(running))
    assert status.name == "PENDING_CHILDREN"
    assert desk.list("active") == [running.job.id]


async def test_a_deep_flow_is_added_level_by_level(flows: FlowProducer, desk: Desk) -> None:
    tree = node("n0")
    for depth in range(1, 2_000):
        tree = node(f"n{depth}", tree, queue="videos" if depth % 2 else "images")
    added = await flows.add(tree)
    depth = 1
    while added.children:
        [added] = added.children
        depth += 1
    assert depth == 2_000
    assert desk.raw.llen("bull:images:wait") == 1


async def test_a_parent_key_that_nobody_can_read_hurts_no_worker(flows: FlowProducer, desk: Desk) -> None:
    """Any producer may have written a job's parent; the worker that finishes the job has to survive it."""
    for parent, family in (("nowhere", "{"), ("bull:videos:gone", "[]"), ("", "null")):
        job_id = await desk.add()
        desk.raw.hset(desk.keys.job(job_id), mapping={"parentKey": parent, "parent": family})
        claimed = await desk.claim_one()
        try:
            [status] = await desk.finish(completed(claimed))
        except BullpenError as error:
            pytest.fail(f"{parent!r}: {error}")
        assert status.name == "OK"
