"""Checklist: adding jobs (bullmq-protocol.md §2, items 1-19)."""

from __future__ import annotations

from tests.conformance.arena import item
from tests.conformance.sides import START, Side


@item(1, "Add to an empty queue: wait, hash, id, marker and the events added, waiting.")
async def test_item_01_add_to_an_empty_queue(side: Side) -> None:
    assert await side.add("paint", {"colour": "red"}) == "1"
    content = await side.content()
    assert content["wait"]["value"] == ["1"]
    assert content["1"]["value"] == {
        "name": "paint",
        "data": '{"colour":"red"}',
        "opts": {},
        "timestamp": str(START),
        "delay": "0",
        "priority": "0",
    }
    assert content["id"]["value"] == "1"
    assert content["marker"]["value"] == {"0": 0}
    assert content["events"]["value"] == [
        [["event", "added"], ["jobId", "1"], ["name", "paint"]],
        [["event", "waiting"], ["jobId", "1"]],
    ]
