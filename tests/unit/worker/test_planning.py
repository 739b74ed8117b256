"""Planning the next run while Redis is away or refuses."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from bullpen.errors import BullpenError, ConnectionLost, ProtocolError
from bullpen.protocol import JobRecord, QueueKeys
from bullpen.runtime.delivery import Delivery
from bullpen.runtime.planning import plan

if TYPE_CHECKING:
    import pytest

    from bullpen.protocol import Call

T = TypeVar("T")
KEYS = QueueKeys("bull", "clocks")
LOGGER = logging.getLogger("bullpen.test")
OPTIONS = json.dumps({"repeat": {"every": 1000, "count": 1}})
RUN = JobRecord(id="repeat:tick:5", fields={b"name": b"n", b"rjk": b"tick", b"opts": OPTIONS.encode()})


@dataclass
class Redis:
    """Answers each call by the next error, and well when there is none left."""

    errors: list[BullpenError] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)

    async def run(self, call: Call[T]) -> T:
        self.calls.append(call)
        if self.errors:
            raise self.errors.pop(0)
        return call.parse(b"repeat:tick:1005")

    async def plan(self, *, stopping: bool = False) -> None:
        delivery = Delivery(self, logger=LOGGER)
        await plan(RUN, KEYS, delivery=delivery, stopping=lambda: stopping, logger=LOGGER)


async def test_it_is_repeated_until_redis_answers() -> None:
    lost = [ConnectionLost("gone", sent=True), ConnectionLost("gone", sent=False)]
    redis = Redis([*lost])
    await redis.plan()
    assert len(redis.calls) == 3


async def test_what_redis_refuses_is_logged_and_keeps_no_job_from_running(caplog: pytest.LogCaptureFixture) -> None:
    redis = Redis([ProtocolError("READONLY")])
    with caplog.at_level(logging.WARNING):
        await redis.plan()
    assert len(redis.calls) == 1
    assert "the next run of schedule 'tick' is not planned: READONLY" in caplog.text


async def test_a_worker_that_drains_plans_nothing_for_a_job_it_gives_back() -> None:
    redis = Redis()
    await redis.plan(stopping=True)
    assert not redis.calls
