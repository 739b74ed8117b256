"""Deduplication as producers are offered it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bullpen import App, ConfigurationError, Dedup

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import redis


@pytest.fixture
async def app(redis_url: str) -> AsyncIterator[App]:
    async with App(redis=redis_url) as opened:
        yield opened


async def test_a_job_is_added_once_and_the_owner_is_known(app: App) -> None:
    videos = app.queue("videos")
    first = await videos.add("render", dedup="film-7")
    assert not first.deduplicated
    again = await videos.add("render", dedup="film-7")
    assert (again.id, again.deduplicated) == (first.id, True)
    owner = await videos.dedup_owner("film-7")
    assert owner is not None
    assert owner.id == first.id


async def test_an_id_is_freed_by_hand(app: App) -> None:
    videos = app.queue("videos")
    first = await videos.add("render", dedup="film-7")
    assert await first.remove_dedup()
    second = await videos.add("render", dedup="film-7")
    assert second.id != first.id
    assert not await first.remove_dedup()
    assert await videos.remove_dedup("film-7")
    assert not await videos.remove_dedup("film-7")
    assert await videos.dedup_owner("film-7") is None


async def test_the_last_of_several_delayed_jobs_counts(app: App) -> None:
    videos = app.queue("videos")
    debounce = Dedup("film-7", ttl="1m", extend=True, replace=True)
    jobs = [await videos.add("render", {"n": n}, delay="1m", dedup=debounce) for n in range(3)]
    assert [await job.state() for job in jobs] == ["unknown", "unknown", "delayed"]


async def test_nothing_is_written_for_an_id_that_cannot_be(app: App, raw: redis.Redis) -> None:
    with pytest.raises(ConfigurationError, match="deduplication id is empty"):
        await app.queue("videos").add("render", dedup="")
    assert raw.keys() == []
