"""Many jobs at once, against a real server: order, bounds, and what is written when something is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bullpen import App, Dedup, NewJob, Retry
from bullpen.client.bulk import CHUNK_JOBS, Bulk, BulkJob
from bullpen.errors import ConfigurationError, ConnectionLost, ProtocolError
from bullpen.protocol import JobOptions
from tests.integration.client.desk import NOW, Desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bullpen.protocol.replies import Added


MANY = 3 * CHUNK_JOBS + 7


@pytest.fixture
def bulk(desk: Desk) -> Bulk:
    return Bulk(link=desk.link, keys=desk.keys, clock=lambda: NOW / 1000)


def numbered(count: int) -> list[BulkJob]:
    return [BulkJob("render", {"n": number}) for number in range(count)]


@dataclass
class Taker:
    """Who takes what a stream yields, until it ends or breaks."""

    seen: int = 0

    async def take(self, stream: AsyncIterator[Added]) -> None:
        async for _ in stream:
            self.seen += 1


async def test_jobs_of_several_calls_keep_their_order(bulk: Bulk, desk: Desk) -> None:
    added = await bulk.add(numbered(MANY))
    assert [each.job_id for each in added] == [str(number) for number in range(1, MANY + 1)]
    assert desk.raw.lrange("bull:videos:wait", 0, -1) == [str(number) for number in range(MANY, 0, -1)]
    assert desk.job(str(MANY))["data"] == f'{{"n":{MANY - 1}}}'
    assert await bulk.add([]) == []


async def test_an_async_iterable_of_any_length_is_added_as_it_comes(bulk: Bulk, desk: Desk) -> None:
    made = 0

    async def jobs() -> AsyncIterator[BulkJob]:
        nonlocal made
        for made in range(1, MANY * 4 + 1):  # noqa: B007 - looked at outside
            yield BulkJob("render")

    seen = 0
    async for added in bulk.each(jobs()):
        seen += 1
        assert added.job_id == str(seen)
        assert made <= seen + 3 * CHUNK_JOBS, "jobs are made long before they are needed"
    assert seen == made == desk.raw.llen("bull:videos:wait")


async def test_a_list_with_a_bad_job_writes_nothing(bulk: Bulk, desk: Desk) -> None:
    for bad, why in (
        (BulkJob("render", options=JobOptions(job_id="12")), "job id '12' is a whole number"),
        (BulkJob("render", {1, 2}), "cannot be written as JSON"),
        (BulkJob(""), "job name is empty"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            await bulk.add([*numbered(MANY), bad, *numbered(1)])
        assert desk.raw.keys() == []
    with pytest.raises(
        ConfigurationError, match=r"job 757 of the bulk \(0 is the first\), 'render': job priority is -1"
    ):
        await bulk.add([*numbered(MANY), BulkJob("render", options=JobOptions(priority=-1))])


async def test_a_stream_is_added_up_to_its_bad_job(bulk: Bulk, desk: Desk) -> None:
    jobs = [*numbered(CHUNK_JOBS + 3), BulkJob("render", options=JobOptions(priority=-1)), *numbered(5)]
    taker = Taker()
    with pytest.raises(ConfigurationError, match="priority"):
        await taker.take(bulk.each(jobs))
    assert taker.seen == desk.raw.llen("bull:videos:wait") == CHUNK_JOBS + 3


async def test_what_breaks_while_it_makes_jobs_is_told_behind_them(bulk: Bulk, desk: Desk) -> None:
    def broken() -> Iterator[BulkJob]:
        yield from numbered(3)
        raise OSError("the file ends here")

    taker = Taker()
    with pytest.raises(OSError, match="the file ends here"):
        await taker.take(bulk.each(broken()))
    assert taker.seen == desk.raw.llen("bull:videos:wait") == 3
    with pytest.raises(OSError, match="the file ends here"):
        await bulk.add(broken())
    assert desk.raw.llen("bull:videos:wait") == 3


async def test_who_stops_early_has_added_little_more(bulk: Bulk, desk: Desk) -> None:
    stream = bulk.each(numbered(20 * CHUNK_JOBS))
    async for _ in stream:
        break
    await stream.aclose()
    assert 1 <= desk.raw.llen("bull:videos:wait") <= 2 * CHUNK_JOBS


async def test_large_jobs_go_in_smaller_calls(bulk: Bulk, desk: Desk) -> None:
    large = BulkJob("render", "x" * 100_000)
    assert len(await bulk.add([large] * 20)) == 20
    assert int(desk.raw.info("commandstats")["cmdstat_evalsha"]["calls"]) > 3


async def test_a_key_of_the_wrong_type_is_named_and_nothing_is_half_written(bulk: Bulk, desk: Desk) -> None:
    desk.raw.set("bull:videos:prioritized", "mine")
    with pytest.raises(ProtocolError, match="bull:videos:prioritized is a string, where a zset belongs"):
        await bulk.add([*numbered(2), BulkJob("render", options=JobOptions(priority=1))])
    assert desk.raw.keys() == ["bull:videos:prioritized"]


async def test_a_flushed_script_is_loaded_again_in_order(bulk: Bulk, desk: Desk) -> None:
    seen = []
    async for added in bulk.each(numbered(8 * CHUNK_JOBS)):
        seen.append(int(added.job_id))
        if added.job_id == "2":
            desk.raw.script_flush()
    assert seen == list(range(1, 8 * CHUNK_JOBS + 1))


async def test_a_closed_link_is_told(bulk: Bulk, desk: Desk) -> None:
    await desk.link.aclose()
    with pytest.raises(ConnectionLost):
        await bulk.add(numbered(MANY))


async def test_an_app_adds_many_jobs(redis_url: str, raw: Any) -> None:
    async with App(redis=redis_url) as app:
        videos = app.queue("videos")
        jobs = await videos.add_bulk(
            [
                NewJob("render", {"n": 1}),
                NewJob("render", delay="5s", retry=Retry(attempts=1)),
                NewJob("render", job_id="mine", remove_on_complete=True),
                NewJob("render", remove_on_complete=1),
                NewJob("render", dedup=Dedup("one")),
                NewJob("render", dedup="one"),
            ]
        )
        assert [job.id for job in jobs] == ["1", "2", "mine", "4", "5", "5"]
        assert [job.deduplicated for job in jobs] == [False] * 5 + [True]
        assert raw.hget("bull:videos:2", "delay") == "5000"
        assert '"removeOnComplete":true' in raw.hget("bull:videos:mine", "opts")
        assert '"removeOnComplete":1' in raw.hget("bull:videos:4", "opts")
        assert [job.id async for job in videos.add_each(NewJob("render", n) for n in range(3))] == ["7", "8", "9"]
        with pytest.raises(ConfigurationError, match="give a NewJob"):
            await videos.add_bulk([("render", {})])  # type: ignore[list-item]
