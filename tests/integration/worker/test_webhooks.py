"""Webhooks, with a receiver that verifies them by the library of Standard Webhooks."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from bullpen import App, ConfigurationError, NewJob, Queue, Retry, Unrecoverable, Webhook
from bullpen.cli.serve import served_queues
from bullpen.protocol import JobOptions
from bullpen.runtime.notices import MOST_RESULT_BYTES
from tests.integration.worker.house import ended, serving, until, working
from tests.integration.worker.receiver import OTHER, SECRET, Receiver, receiving

ALLOWED: dict[str, Any] = {"webhook_allow_private": True}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def videos(app: App) -> Queue:
    queue = app.queue("videos")

    @queue.job("render")
    async def render(data: object) -> object:
        return {"url": "ü", "given": data}

    @queue.job("fail", retry=Retry(attempts=2, delay=0))
    async def fail(data: object) -> None:
        raise ValueError("broken")

    @queue.job("refuse")
    async def refuse(data: object) -> None:
        raise Unrecoverable("no" * 2000)

    @queue.job("large")
    async def large(data: int) -> str:
        return "x" * data

    return queue


async def test_a_completed_job_is_told(videos: Queue, receiver: Receiver, redis_url: str) -> None:
    videos.webhook(receiver.url, secret=SECRET, allow_private=True)
    async with working(videos.app, redis_url):
        job = await videos.add("render", {"n": 1})
        await told(receiver, 1)
        first = receiver.received[0]
        [delivery] = await ended(videos.app.queue("videos.webhooks"), first.message)
    event = first.verified()
    assert event["type"] == "job.completed"
    assert event["timestamp"].endswith("Z")
    assert event["data"] == {
        "queue": "videos",
        "jobId": job.id,
        "name": "render",
        "attemptsMade": 1,
        "result": {"url": "ü", "given": {"n": 1}},
    }
    assert (first.path, first.headers["content-type"]) == ("/hooks", "application/json")
    assert first.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert delivery.return_value == {"status": 204}
    assert SECRET.encode() not in b"".join(delivery.fields.values())


async def test_a_failure_is_told_once_it_is_final(videos: Queue, receiver: Receiver, redis_url: str) -> None:
    videos.webhook(receiver.url, on=["failed"], secret=SECRET, allow_private=True)
    async with working(videos.app, redis_url):
        await ended(videos, (await videos.add("render")).id)
        job = await videos.add("fail")
        await told(receiver, 1)
        event = receiver.received[0].verified()
        assert (event["type"], event["data"]["jobId"], event["data"]["attemptsMade"]) == ("job.failed", job.id, 2)
        assert event["data"]["failedReason"] == "ValueError: broken"
        await videos.add("refuse")
        await told(receiver, 2)
        data = receiver.received[1].verified()["data"]
        assert (len(data["failedReason"]), data["cut"]) == (2000, ["failedReason"])
    assert len(receiver.received) == 2


async def test_what_is_too_large_is_left_out_and_named(videos: Queue, receiver: Receiver, redis_url: str) -> None:
    videos.webhook(receiver.url, secret=SECRET, allow_private=True)
    async with working(videos.app, redis_url):
        await videos.add("large", MOST_RESULT_BYTES - 2)
        await told(receiver, 1)
        await videos.add("large", MOST_RESULT_BYTES - 1)
        await told(receiver, 2)
    fits, cut = (each.verified()["data"] for each in receiver.received)
    assert (len(fits["result"]), "cut" in fits) == (MOST_RESULT_BYTES - 2, False)
    assert ("result" in cut, cut["cut"]) == (False, ["result"])


async def test_jobs_bring_their_own(videos: Queue, receiver: Receiver, redis_url: str) -> None:
    app = videos.app
    app.webhook_secret("default", SECRET)
    app.webhook_secret("users", OTHER)
    async with working(app, redis_url, **ALLOWED):
        plain = await videos.add("render", webhook=Webhook(f"{receiver.url}/a"))
        await videos.add("render")
        [bulk] = await videos.add_bulk([NewJob("render", webhook=Webhook(f"{receiver.url}/b", secret="users"))])
        await ended(videos, (await videos.add("render", webhook=Webhook(f"{receiver.url}/c", ["failed"]))).id)
        await told(receiver, 2)
    found = {each.path: each for each in receiver.received}
    assert found["/hooks/a"].verified()["data"]["jobId"] == plain.id
    assert found["/hooks/b"].verified(OTHER)["data"]["jobId"] == bulk.id
    stored = (await plain.record()).options.extra
    assert stored == {"webhook": {"url": f"{receiver.url}/a"}}


async def test_the_queue_and_the_job_tell_one_url_once(videos: Queue, receiver: Receiver, redis_url: str) -> None:
    videos.app.webhook_secret("default", SECRET)
    videos.webhook(receiver.url, allow_private=True)
    videos.webhook(f"{receiver.url}/b", secret=OTHER, allow_private=True)
    async with working(videos.app, redis_url):
        await videos.add("render", webhook=Webhook(receiver.url))
        await told(receiver, 2)
    assert sorted(each.path for each in receiver.received) == ["/hooks", "/hooks/b"]
    assert len({each.message for each in receiver.received}) == 2


async def test_secrets_take_turns(videos: Queue, receiver: Receiver, redis_url: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOOK_SECRETS", f"{SECRET} {OTHER}")
    videos.app.webhook_secret("default", env="HOOK_SECRETS")
    videos.webhook(receiver.url, allow_private=True)
    async with working(videos.app, redis_url):
        await videos.add("render")
        await told(receiver, 1)
    assert receiver.received[0].verified(SECRET) == receiver.received[0].verified(OTHER)


async def test_it_is_told_again_until_it_is_taken(videos: Queue, receiver: Receiver, redis_url: str) -> None:
    receiver.answers += [(500, {}), (302, {"Location": receiver.url}), (200, {})]
    videos.webhook(receiver.url, secret=SECRET, allow_private=True)
    deliveries = videos.app.queue("videos.webhooks")
    async with working(videos.app, redis_url):
        await videos.add("render")
        for times in (1, 2):
            await told(receiver, times)
            delivery = deliveries.get(receiver.received[0].message)
            record = await delayed(delivery)
            assert record.failed_reason is not None
            await delivery.promote()
        [record] = await ended(deliveries, delivery.id)
    assert (record.attempts_made, record.return_value) == (3, {"status": 200})
    assert len({each.message for each in receiver.received}) == 1
    assert [each.verified()["data"] for each in receiver.received] == [receiver.received[0].event["data"]] * 3


async def told(receiver: Receiver, times: int) -> None:
    await until(lambda: len(receiver.received) == times, "it is told")


async def delayed(job: Any) -> Any:
    while await job.state() != "delayed":
        pass
    return await job.record()


async def test_a_busy_receiver_says_when(videos: Queue, receiver: Receiver, redis_url: str) -> None:
    receiver.answers += [(429, {"Retry-After": "600"})]
    videos.webhook(receiver.url, secret=SECRET, allow_private=True)
    deliveries = videos.app.queue("videos.webhooks")
    async with working(videos.app, redis_url):
        await videos.add("render")
        await told(receiver, 1)
        record = await delayed(delivery := deliveries.get(receiver.received[0].message))
        assert (record.attempts_made, record.delay) == (0, 600_000)
        await delivery.promote()
        [record] = await ended(deliveries, delivery.id)
        assert record.return_value == {"status": 204}


AGAIN = "it is told nothing more until somebody enables it again (bullpen webhooks)"


async def test_who_is_gone_is_not_told_again_until_somebody_says_so(
    videos: Queue, receiver: Receiver, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers += [(503, {}), (410, {})]
    other = f"{receiver.url}/other"
    videos.webhook(receiver.url, secret=SECRET, allow_private=True)
    videos.webhook(other, secret=OTHER, allow_private=True, on=["failed"])
    deliveries = videos.app.queue("videos.webhooks")
    async with working(videos.app, redis_url):
        await videos.add("render", 1)
        await told(receiver, 1)
        waits = deliveries.get(receiver.received[0].message)
        await delayed(waits)
        await videos.add("render", 2)
        await told(receiver, 2)
        [record] = await ended(deliveries, receiver.received[1].message)
        assert record.failed_reason == f"127.0.0.1 answered 410 (Gone): this webhook is disabled; {AGAIN}"
        assert record.attempts_made == 1
        assert list(await videos.disabled_webhooks()) == [receiver.url]
        since = (await videos.disabled_webhooks())[receiver.url]
        assert abs(since.timestamp() - time.time()) < 60

        await waits.promote()  # what was on its way already is not delivered either,
        [record] = await ended(deliveries, waits.id)
        assert record.failed_reason == (
            f"127.0.0.1 answered 410 (Gone) at {since.isoformat(timespec='seconds')}: {AGAIN}"
        )
        await ended(videos, (await videos.add("render", 3)).id)  # and for what ends now there is no delivery
        await ended(videos, (await videos.add("fail")).id)  # while others are told
        await told(receiver, 3)
        assert receiver.received[2].path == "/hooks/other"
        counts = await deliveries.counts()
        assert (counts.failed, counts.completed + counts.active, counts.waiting, counts.delayed) == (2, 1, 0, 0)

        assert await videos.enable_webhook(receiver.url)
        assert not await videos.enable_webhook(receiver.url)
        await videos.add("render", 4)
        await told(receiver, 4)
        await deliveries.retry_failed()
        await told(receiver, 6)
    assert [each.verified()["data"]["result"]["given"] for each in receiver.received[3:4]] == [4]
    assert "/hooks" not in caplog.text
    assert caplog.text.count("this webhook is disabled") >= 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_private_addresses_are_refused(videos: Queue, receiver: Receiver, redis_url: str, host: str) -> None:
    videos.webhook(f"http://{host}:{receiver.port}/hooks", secret=SECRET)
    deliveries = videos.app.queue("videos.webhooks")
    async with working(videos.app, redis_url):
        await ended(videos, (await videos.add("render")).id)
        page: list[Any] = []
        while not page:
            page = list(await deliveries.jobs("failed"))
    record = page[0]
    assert "webhooks go to public addresses, unless allowed" in str(record.failed_reason)
    assert record.attempts_made == 1
    assert receiver.received == []


async def test_a_webhook_that_another_producer_wrote(videos: Queue, receiver: Receiver, redis_url: str) -> None:
    videos.app.webhook_secret("default", SECRET)
    async with working(videos.app, redis_url, **ALLOWED):
        producer = await videos.producer()
        for webhook in ("x", {"url": "ftp://a"}, {"url": receiver.url, "on": 7}, {"url": receiver.url, "secret": 5}):
            added = await producer.add("render", options=JobOptions(extra={"webhook": webhook}))
            [record] = await ended(videos, added.job_id)
            assert record.failed_reason is None
        await producer.add("render", options=JobOptions(extra={"webhook": {"url": receiver.url}}))
        await told(receiver, 1)
    assert receiver.received[0].verified()["type"] == "job.completed"


async def test_a_worker_that_is_killed_loses_none(app: App, redis_url: str, receiver: Receiver, tmp_path: Path) -> None:
    """Between the end of the jobs and the answers of the receiver: told again, with the same ids."""
    receiver.hold = threading.Event()
    videos, deliveries = app.queue("videos"), app.queue("videos.webhooks")
    environ = {"HOOK_URL": receiver.url, "HOOK_SECRET": SECRET}
    with serving("hook_app:app", redis_url, tmp_path / "log", **environ, WEBHOOK_ALLOW_PRIVATE="true") as worker:
        await worker.says("Worker ready")
        jobs = [(await videos.add("render", n)).id for n in range(15)]
        await ended(videos, *jobs)
        await told(receiver, 10)
        worker.signal(signal.SIGKILL)
        await worker.exit_code()
    receiver.hold.set()
    assert (await deliveries.counts()).active == 10
    with Redis.from_url(redis_url) as raw:
        assert raw.delete(*raw.keys("*:lock")) == 10  # as after their 30 s,
        raw.delete(*raw.keys("*:stalled-check"))  # when the next check is due, too
    videos.job()(anything)
    videos.webhook(receiver.url, secret=SECRET, allow_private=True)
    async with working(app, redis_url, stalled_seconds=0.2):
        await told(receiver, 25)
        await ended(deliveries, *{each.message for each in receiver.received})
    messages = Counter((each.verified()["data"]["jobId"], each.message) for each in receiver.received)
    assert sorted(messages.values()) == [1] * 5 + [2] * 10
    assert sorted(job for job, _ in messages) == sorted(jobs)


async def test_deliveries_can_be_served_elsewhere(app: App, redis_url: str, receiver: Receiver, tmp_path: Path) -> None:
    videos = app.queue("videos")
    environ = {"HOOK_URL": receiver.url, "HOOK_SECRET": SECRET, "WEBHOOK_ALLOW_PRIVATE": "true"}
    with serving("hook_app:app", redis_url, tmp_path / "jobs", **environ, WEBHOOK_CONCURRENCY="0") as worker:
        await worker.says("Worker ready")
        await ended(videos, (await videos.add("render")).id)
        assert (await app.queue("videos.webhooks").counts()).waiting == 1
        with serving("hook_app:app", redis_url, tmp_path / "hooks", **environ, QUEUE_NAME="videos.webhooks") as other:
            await other.says("completed")
            second = (await videos.add("render")).id
            await other.says("completed", times=2)
        assert [each.verified()["data"]["jobId"] for each in receiver.received][1:] == [second]
    assert "msg_" not in worker.output
    assert SECRET not in worker.output + other.output


async def anything(data: object) -> object:
    return data


def test_what_cannot_be_served_is_said(app: App, redis_url: str) -> None:
    videos = app.queue("videos")

    @videos.job()
    async def anything(data: object) -> None: ...

    videos.webhook("https://example.com", secret="users")
    with pytest.raises(ConfigurationError, match=r"wants the secret 'users'; declare it"):
        served_queues(app, None)
    app.webhook_secret("users", env="NOBODY_SETS_THIS")
    with pytest.raises(ConfigurationError, match="NOBODY_SETS_THIS is not set"):
        served_queues(app, None)
