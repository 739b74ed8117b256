"""Jobs in processes of their own, with a worker in the test's own loop or as people run it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from tests.integration.worker.house import process_app, working

if TYPE_CHECKING:
    import redis

    from bullpen import App
    from bullpen.protocol import QueueKeys


async def test_first(redis_url: str, raw: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with process_app(redis_url) as app, working(app, redis_url, reference="process_app:app"):
        videos = app.queue("videos")
        job = await videos.add("render", {"userId": "u1"})
        assert await job.result(timeout=10) == {"userId": "u1"}
    print(caplog.text)
