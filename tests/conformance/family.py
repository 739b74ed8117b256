"""What scenarios of flows stand on: a parent in one queue, its children in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance.sides import PREFIX, QUEUE

if TYPE_CHECKING:
    from tests.conformance.sides import Side

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
