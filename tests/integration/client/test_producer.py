"""What producers are offered, against a real server."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest
import redis

from bullpen.client.connection import Link
from bullpen.client.producer import Producer
from bullpen.errors import ConfigurationError, JobFailed, JobMissing
from bullpen.protocol import JobOptions, JobState, KeepJobs, QueueKeys
from bullpen.protocol.calls import job
from bullpen.protocol.location import RedisLocation
from tests.integration.client.desk import NOW, Desk, completed, failed
from tests.integration.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def producer(desk: Desk, location: RedisLocation) -> AsyncIterator[Producer]:
    opened = Producer(link=desk.link, location=location, keys=desk.keys, clock=lambda: NOW / 1000)
    yield opened
    await opened.aclose()


async def listening(desk: Desk) -> None:
    """Until the reader of events waits in Redis."""
    async with asyncio.timeout(20):
        while desk.raw.info("clients")["blocked_clients"] == 0:  # noqa: ASYNC110 - the server's state
            await asyncio.sleep(0.01)


async def test_a_job_is_added_and_looked_up(producer: Producer, desk: Desk) -> None:
    added = await producer.add("render", {"text": "ü", "n": [1, None]}, options=JobOptions(attempts=4))
    assert desk.job(added.job_id)["data"] == '{"text":"ü","n":[1,null]}'
    assert desk.job(added.job_id)["timestamp"] == str(NOW)
    record = await producer.get_job(added.job_id)
    assert record is not None
    assert (record.data, record.options.attempts) == ({"text": "ü", "n": [1, None]}, 4)
    assert await producer.state(added.job_id) is JobState.WAITING
    assert (await producer.counts()).waiting == 1
    assert await producer.get_job("ghost") is None


async def test_data_left_out_is_an_empty_object_and_none_is_null(producer: Producer, desk: Desk) -> None:  # 2
    await producer.add("render")
    await producer.add("render", None)
    assert (desk.job("1")["data"], desk.job("2")["data"]) == ("{}", "null")


async def test_what_cannot_be_stored_is_refused_before_anything_is_written(producer: Producer, desk: Desk) -> None:
    for name, data, options in (
        ("render", {"n": math.nan}, JobOptions()),
        ("render", object(), JobOptions()),
        ("render", {}, JobOptions(priority=-1)),
        ("render", {}, JobOptions(job_id="12")),
        ("", {}, JobOptions()),
    ):
        with pytest.raises(ConfigurationError):
            await producer.add(name, data, options=options)
    assert desk.raw.keys() == []


async def test_progress_and_logs_of_a_job_are_read(producer: Producer, desk: Desk) -> None:
    await producer.add("render")
    assert await producer.progress("1") == 0
    await desk.link.run(job.progress(desk.keys, job_id="1", value="50"))
    await desk.link.run(job.log(desk.keys, job_id="1", row="half"))
    assert await producer.progress("1") == 50
    assert (await producer.logs("1")).rows == ("half",)
    with pytest.raises(JobMissing, match="job ghost does not exist"):
        await producer.progress("ghost")


async def test_a_result_that_is_there_already(producer: Producer, desk: Desk) -> None:
    await producer.add("render")
    await producer.add("render")
    first, second = await desk.claim(2)
    await desk.finish(completed(first, '{"url":"ü"}'), failed(second, "boom"))
    assert await producer.result("1", timeout=20) == {"url": "ü"}
    with pytest.raises(JobFailed, match=r"^boom$"):
        await producer.result("2", timeout=20)


async def test_results_that_come_later_reach_all_who_wait(producer: Producer, desk: Desk) -> None:  # 95
    values = ["null", '"ü😀"', '{"a":[1,{"b":null}]}', "0"]
    for _ in values:
        await producer.add("render")
    await producer.add("render")
    waiting = [asyncio.create_task(producer.result(str(n + 1), timeout=20)) for n in range(4)]
    twice = asyncio.create_task(producer.result("2", timeout=20))
    fails = asyncio.create_task(producer.result("5", timeout=20))
    await listening(desk)
    *claims, last = await desk.claim(5)
    await desk.finish(*[completed(claimed, value) for claimed, value in zip(claims, values, strict=True)])
    await desk.finish(failed(last, "boom"))
    assert await asyncio.gather(*waiting) == [None, "ü😀", {"a": [1, {"b": None}]}, 0]
    assert await twice == "ü😀"
    with pytest.raises(JobFailed, match=r"^boom$"):
        await fails


async def test_a_job_removed_on_completion_is_known_by_its_event(producer: Producer, desk: Desk) -> None:
    await producer.add("render")
    waiting = asyncio.create_task(producer.result("1", timeout=20))
    await listening(desk)
    await desk.finish(completed(await desk.claim_one(), "7", keep=KeepJobs(count=0)))
    assert await waiting == 7


async def test_waiting_ends_in_time_and_leaves_nothing_behind(producer: Producer, desk: Desk) -> None:
    await producer.add("render")
    with pytest.raises(TimeoutError, match=r"job 1 of queue videos did not end within 0.05 s"):
        await producer.result("1", timeout=0.05)
    cancelled = asyncio.create_task(producer.result("1", timeout=20))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert producer._results._waiting == {}


async def test_waiting_for_a_job_that_does_not_exist(producer: Producer) -> None:
    with pytest.raises(JobMissing, match="job ghost does not exist"):
        await producer.result("ghost", timeout=20)


async def test_a_result_survives_the_connections_being_cut(producer: Producer, desk: Desk) -> None:
    await producer.add("render")
    waiting = asyncio.create_task(producer.result("1", timeout=60))
    await listening(desk)
    desk.raw.client_kill_filter(_type="normal", skipme=True)
    async with asyncio.timeout(20):
        while desk.link.connected:  # noqa: ASYNC110 - the link's state has no event to wait for
            await asyncio.sleep(0.01)
    claimed = await desk.claim_one()
    await desk.finish(completed(claimed, '"late"'))
    assert await waiting == "late"


async def test_a_refused_login_ends_the_wait(own_redis: RedisServer) -> None:
    location = RedisLocation.parse(own_redis.url)
    with redis.Redis(port=own_redis.port) as client:
        client.config_set("requirepass", "right")
    async with Link(location) as link:
        producer = Producer(link=link, location=location, keys=QueueKeys("bull", "videos"))
        with pytest.raises(ConfigurationError, match="refused the login"):
            await producer.result("1", timeout=20)
        await producer.aclose()
