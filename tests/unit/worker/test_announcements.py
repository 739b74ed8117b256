from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from bullpen import Ended, JobRecord
from bullpen.hooks import Hooks
from bullpen.runtime.announcements import Announcements
from bullpen.runtime.attempt import Attempt
from bullpen.runtime.endings import Completed
from tests.integration.worker.house import until


@dataclass
class Done:
    """As much of an attempt as its hooks are told."""

    job: JobRecord = field(default_factory=lambda: JobRecord("7", {b"name": b"x"}))
    queue: str = "videos"
    number: int = 1
    seconds: float = 0.1
    error: BaseException | None = None


async def test_a_hook_that_takes_too_long_is_ended_and_the_next_one_called(caplog: pytest.LogCaptureFixture) -> None:
    called: list[str] = []

    async def slow(ended: Ended) -> None:
        called.append("slow")
        await asyncio.sleep(60)

    async def next_one(ended: Ended) -> None:
        called.append("next")
        await asyncio.sleep(0)
        called.append("its end")

    hooks = Hooks(completed=(slow, slow, next_one))
    told = Announcements(hooks, logger=logging.getLogger("test"), caught_up=lambda: None, seconds=0.05)
    for _ in range(3):
        told.ended(cast("Attempt", Done()), Completed("1"))
    await until(lambda: not told._pending, "all hooks were called")
    assert await told.aclose()
    assert sorted(called) == ["its end"] * 3 + ["next"] * 3 + ["slow"] * 6
    assert caplog.text.count("slow has not ended within 0.05 s") == 6
    assert "<locals>.next_one" not in caplog.text


async def test_a_worker_that_ends_cancels_what_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    ends: list[Any] = []

    async def slow(ended: Ended) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ends.append(ended.job_id)
            raise

    told = Announcements(Hooks(completed=(slow,)), logger=logging.getLogger("test"), caught_up=lambda: None)
    told.ended(cast("Attempt", Done()), Completed("1"))
    assert await told.aclose()
    assert ends == ["7"]
    assert "has not ended" not in caplog.text
