"""examples/api as people run it: uvicorn and `bullpen serve`, two programs that share a Redis."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.integration.worker.house import PATIENCE, Process, environment

EXAMPLE = Path(__file__).parents[3] / "examples" / "api"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True)
class Api:
    """A running API, asked as any HTTP client would."""

    url: str

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        text = body if isinstance(body, str) else json.dumps(body)
        data = None if body is None else text.encode()
        request = urllib.request.Request(
            self.url + path, data, {"content-type": "application/json", **headers}, method=method
        )
        return await asyncio.to_thread(_answer, request)

    async def until(self, job: str, status: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while True:
                code, report = await self.ask("GET", f"/videos/{job}")
                assert code == 200, report
                if report["status"] == status:
                    return dict(report)
                await asyncio.sleep(0.02)


def _answer(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            text = response.read()
            return response.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@asynccontextmanager
async def api_of(redis_url: str, log: Path, **environ: str) -> AsyncIterator[Api]:
    command = [sys.executable, "-m", "uvicorn", "app:api", "--port", "0", "--app-dir", str(EXAMPLE)]
    process = Process(command, environment(redis_url, WEBHOOK_SECRET=SECRET, **environ), log)
    try:
        await process.says("Uvicorn running on")
        found = re.search(r"http://[\d.]+:\d+", process.output)
        assert found is not None
        yield Api(found[0])
        process.signal(signal.SIGTERM)
        await process.exit_code()
        assert "Traceback" not in process.output
    finally:
        process.kill()


@contextmanager
def worker_of(redis_url: str, log: Path, **more: str) -> Iterator[Process]:
    environ = environment(redis_url, PYTHONPATH=str(EXAMPLE), WEBHOOK_SECRET=SECRET, **more)
    process = Process([sys.executable, "-m", "bullpen.cli", "serve", "jobs:app"], environ, log)
    try:
        yield process
    finally:
        process.kill()


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with api_of(redis_url, tmp_path / "api.log") as running:
        yield running


def video(script: str = "s1", **more: object) -> dict[str, object]:
    return {"userId": "u1", "scriptId": script, "seconds": 0.1, **more}


async def test_a_video_is_ordered_followed_and_had(api: Api, redis_url: str, tmp_path: Path) -> None:
    assert await api.ask("POST", "/videos", video()) == (202, {"jobId": "1", "status": "queued"})
    assert (await api.until("1", "queued"))["progress"] == 0
    with worker_of(redis_url, tmp_path / "worker.log"):
        assert await api.until("1", "completed") == {
            "jobId": "1",
            "status": "completed",
            "progress": 100,
            "result": {"videoUrl": "https://videos.example/u1/s1.mp4"},
            "reason": None,
            "attempts": 1,
        }
        code, refused = await api.ask("DELETE", "/videos/1")
        assert (code, refused["detail"]) == (409, "job 1 has completed already")


async def test_whoever_listens_is_told_of_the_end(api: Api, redis_url: str, tmp_path: Path) -> None:
    await api.ask("POST", "/videos", video())
    with worker_of(redis_url, tmp_path / "worker.log", WEBHOOK_URL=f"{api.url}/webhooks/bullpen"):
        await api.until("1", "completed")
        heard: Any = []
        async with asyncio.timeout(PATIENCE):
            while not heard:
                heard = (await api.ask("GET", "/webhooks/bullpen"))[1]
    (told,) = heard
    assert told["type"] == "job.completed"
    assert told["data"]["jobId"] == "1"
    assert told["data"]["result"] == {"videoUrl": "https://videos.example/u1/s1.mp4"}


async def test_a_job_that_fails_says_why(api: Api, redis_url: str, tmp_path: Path) -> None:
    await api.ask("POST", "/videos", video("unknown"))
    with worker_of(redis_url, tmp_path / "worker.log"):
        failed = await api.until("1", "failed")
    assert (failed["reason"], failed["result"]) == ("there is no script 'unknown'", None)


async def test_a_job_that_has_not_begun_is_cancelled_and_one_that_runs_is_not(
    api: Api, redis_url: str, tmp_path: Path
) -> None:
    await api.ask("POST", "/videos", video())
    assert await api.ask("DELETE", "/videos/1") == (204, None)
    assert (await api.ask("GET", "/videos/1"))[0] == 404
    assert (await api.ask("DELETE", "/videos/1"))[0] == 404
    await api.ask("POST", "/videos", video(seconds=60))
    with worker_of(redis_url, tmp_path / "worker.log"):
        await api.until("2", "running")
        assert (await api.ask("DELETE", "/videos/2"))[0] == 409


async def test_an_order_that_does_not_fit_is_refused(api: Api) -> None:
    code, refused = await api.ask("POST", "/videos", {"userId": 7})
    assert (code, {each["loc"][-1] for each in refused["detail"]}) == (422, {"userId", "scriptId"})


async def test_a_redis_that_is_away_is_told(tmp_path: Path) -> None:
    async with api_of("redis://127.0.0.1:1", tmp_path / "api.log") as api:
        code, told = await api.ask("GET", "/videos/1")
        assert (code, told["detail"]) == (503, "the queue cannot be reached, try again")


def signed(body: str, *, secret: str = SECRET, message: str = "m1", at: datetime | None = None) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message, at, body),
    }


async def test_only_signed_webhooks_are_heard_and_each_once(api: Api) -> None:
    body = json.dumps({"type": "job.completed", "data": {"jobId": "1"}})
    path = "/webhooks/bullpen"
    other = "whsec_" + base64.b64encode(os.urandom(32)).decode()
    old = datetime.now(UTC) - timedelta(hours=1)
    for headers in ({}, signed(body, secret=other), signed("{}"), signed(body, at=old)):
        assert (await api.ask("POST", path, body, **headers))[0] == 401
    assert (await api.ask("GET", path))[1] == []
    for _ in range(2):
        assert await api.ask("POST", path, body, **signed(body)) == (204, None)
    assert (await api.ask("GET", path))[1] == [json.loads(body)]
