"""What an app looks up: jobs by their ids, flows by one of their jobs; and on which event loops."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from bullpen import App, ConfigurationError, Flow, FlowJobs, JobMissing, Retry
from bullpen.protocol import QueueKeys
from tests.integration.client.desk import Desk, completed, failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bullpen.client.connection import Link


@pytest.fixture
async def app(redis_url: str) -> AsyncIterator[App]:
    async with App(redis=redis_url) as opened:
        yield opened


async def test_a_job_is_looked_up_by_its_id(app: App) -> None:
    videos = app.queue("videos")
    added = await videos.add("render", {"n": 1}, retry=Retry(attempts=2))
    found = await videos.get_job(added.id)
    assert found is not None
    record = await found.record()
    assert (record.id, record.name, record.data, record.options.attempts) == (added.id, "render", {"n": 1}, 2)
    await found.remove()
    assert await videos.get_job(added.id) is None
    with pytest.raises(JobMissing, match="job 1 does not exist"):
        await found.record()


async def test_a_schedule_is_no_job(app: App) -> None:
    videos = app.queue("videos")
    job = await videos.schedule("tick", every="1h")
    assert await videos.get_job("repeat:tick") is None
    assert await videos.get_job("meta") is None
    found = await videos.get_job(job.id)
    assert found is not None


async def test_children_are_all_there_whatever_became_of_them(app: App, link: Link, raw: object) -> None:
    effects = {"done": "fail_parent", "ignored": "ignore_failure", "fatal": "fail_parent", "pending": "fail_parent"}
    children = [Flow(queue="images", name=name, job_id=name, on_failure=effects[name]) for name in effects]  # type: ignore[arg-type]
    flow = await app.flow(Flow(queue="videos", name="merge", children=children))
    desk = Desk(link=link, raw=raw, keys=QueueKeys("bull", "images"))
    done, ignored, fatal = await desk.claim(3)
    await desk.finish(completed(done, "7"), failed(ignored, "no paint"), failed(fatal))
    assert [child.id for child in await flow.job.children()] == ["pending", "done", "ignored", "fatal"]
    assert {child.queue.name for child in await flow.job.children()} == {"images"}
    assert await flow.job.children_values() == {"bull:images:done": 7}
    assert await flow.job.children_failures() == {"bull:images:ignored": "no paint"}
    counts = await flow.job.children_counts()
    assert (counts.unprocessed, counts.processed, counts.ignored, counts.failed) == (1, 1, 1, 1)
    assert await app.queue("images").get("pending").children() == []


def ids(flow: FlowJobs) -> object:
    return (flow.job.id, [ids(child) for child in flow.children])


async def test_a_flow_is_read_back_as_deep_as_asked(app: App) -> None:
    leaf = Flow(queue="c", name="x", job_id="leaf")
    middle = Flow(queue="b", name="x", job_id="middle", children=[leaf])
    flow = await app.flow(Flow(queue="a", name="x", job_id="root", children=[middle]))
    assert ids(await app.get_flow(flow.job)) == ids(flow) == ("root", [("middle", [("leaf", [])])])
    assert ids(await app.get_flow(flow.job, depth=2)) == ("root", [("middle", [])])
    assert ids(await app.get_flow(app.queue("c").get("leaf"))) == ("leaf", [])
    with pytest.raises(ConfigurationError, match="depth is 0"):
        await app.get_flow(flow.job, depth=0)


async def test_children_elsewhere_are_refused(app: App, raw: object, desk: Desk) -> None:
    await desk.add(job_id="parent")
    desk.raw.sadd(desk.keys.job("parent") + ":dependencies", "theirs:images:1")
    with pytest.raises(ConfigurationError, match="job 'theirs:images:1' is not under the prefix 'bull'"):
        await app.queue("videos").get("parent").children()
    repeated = app.job_at("bull:images:repeat:tick:1700")
    assert (repeated.queue.name, repeated.id) == ("images", "repeat:tick:1700")


async def test_a_flow_needs_queues(app: App) -> None:
    with pytest.raises(ConfigurationError, match="give a queue of the app, or the name of one"):
        await app.flow(Flow(queue=7, name="x"))  # type: ignore[arg-type]


def test_an_app_is_used_on_one_loop_after_the_other_and_on_two_at_a_time(redis_url: str) -> None:
    app = App(redis=redis_url)

    async def add() -> str:
        job = await app.queue("videos").add("render")
        await app.aclose()
        return job.id

    assert [asyncio.run(add()) for _ in range(2)] == ["1", "2"]
    both = threading.Barrier(2)

    async def add_beside() -> None:
        job = await app.queue("videos").add("render")
        both.wait(20)
        assert await job.state() == "waiting"
        await app.aclose()

    beside = threading.Thread(target=asyncio.run, args=[add_beside()])
    beside.start()
    asyncio.run(add_beside())
    beside.join(20)
    assert asyncio.run(add()) == "5"
