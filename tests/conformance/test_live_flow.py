"""Flows added and worked off by both at once, with running workers on the machine's clock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bullpen.client.connection import Link
from bullpen.client.flows import FlowNode, FlowProducer
from bullpen.protocol import JobOptions
from bullpen.protocol.calls.flow import OnFailure
from bullpen.protocol.location import RedisLocation
from tests.conformance.live import Serving, nodes, ours, until
from tests.conformance.sides import PREFIX, QUEUE

if TYPE_CHECKING:
    from tests.conformance.arena import Arena

FLAGS = {OnFailure.FAIL_PARENT: "failParentOnFailure", OnFailure.IGNORE: "ignoreDependencyOnFailure"}


async def by_node(arena: Arena, root: str, child: dict[str, Any], flag: OnFailure) -> None:
    await arena.driver.request(
        "add_flow",
        None,
        {
            "tree": {
                "name": "root",
                "queueName": QUEUE,
                "opts": {"jobId": root},
                "data": {"return": "ü"},
                "children": [
                    {"name": "leaf", "queueName": QUEUE, "data": {"return": {"n": 1}}},
                    {"name": "leaf", "queueName": QUEUE, "data": child, "opts": {FLAGS[flag]: True}},
                ],
            }
        },
    )


async def by_us(arena: Arena, root: str, child: dict[str, Any], flag: OnFailure) -> None:
    connection = arena.node_redis.connection_pool.connection_kwargs
    location = RedisLocation.parse(f"redis://127.0.0.1:{connection['port']}/{connection['db']}")
    async with Link(location) as link:
        await FlowProducer(link=link, prefix=PREFIX).add(
            FlowNode(
                queue=QUEUE,
                name="root",
                options=JobOptions(job_id=root),
                data={"return": "ü"},
                children=[
                    FlowNode(queue=QUEUE, name="leaf", data={"return": {"n": 1}}),
                    FlowNode(queue=QUEUE, name="leaf", data=child, on_failure=flag),
                ],
            )
        )


async def outcome(arena: Arena, root: str) -> dict[str, str]:
    """Wait for the end of a root; its hash."""

    async def finished() -> dict[str, str] | None:
        fields: Any = await arena.node_redis.hgetall(f"{PREFIX}:{QUEUE}:{root}")
        return fields if "finishedOn" in fields else None

    return await until(finished, what=f"job {root} ends") or {}


@pytest.mark.parametrize("serving", [pytest.param(nodes, id="node-works"), pytest.param(ours, id="we-work")])
async def test_a_flow_of_either_is_worked_off_by_either(serving: Serving, arena: Arena) -> None:
    side = arena.node()
    side.now = None
    async with side.opened(), serving(arena):
        for number, add_flow in enumerate((by_node, by_us)):
            await add_flow(arena, f"fine-{number}", {"return": None}, OnFailure.FAIL_PARENT)
            assert json.loads((await outcome(arena, f"fine-{number}"))["returnvalue"]) == "ü"
            values: Any = await arena.node_redis.hvals(f"{PREFIX}:{QUEUE}:fine-{number}:processed")
            assert sorted(values) == ["null", '{"n":1}']
            await add_flow(arena, f"ignored-{number}", {"throw": "no paint"}, OnFailure.IGNORE)
            assert "returnvalue" in await outcome(arena, f"ignored-{number}")
            reasons: Any = await arena.node_redis.hvals(f"{PREFIX}:{QUEUE}:ignored-{number}:failed")
            assert reasons == ["no paint"]
            await add_flow(arena, f"failed-{number}", {"throw": "no paint"}, OnFailure.FAIL_PARENT)
            reason = (await outcome(arena, f"failed-{number}"))["failedReason"]
            assert reason.startswith(f"child {PREFIX}:{QUEUE}:")
            assert reason.endswith(" failed")
