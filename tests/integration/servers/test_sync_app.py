"""An app without an event loop, behind sentinels and on a cluster: the links are the same, and so is what they find."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bullpen.errors import ConfigurationError, ConnectionLost
from bullpen.protocol import QueueKeys
from bullpen.protocol.slots import slot_of
from bullpen.sync import App
from tests.integration.worker.house import PATIENCE, until

if TYPE_CHECKING:
    from tests.integration.servers.cluster import Cluster
    from tests.integration.servers.council import Council


def test_queues_on_all_nodes_of_a_cluster(cluster: Cluster) -> None:
    names = [f"{{sync-{number}}}" for number in range(6)]
    assert len({cluster.owner(slot_of(QueueKeys("bull", name))).port for name in names}) > 1
    with App(redis=cluster.url) as app:
        jobs = [app.queue(name).add("render") for name in names]
        assert {job.state() for job in jobs} == {"waiting"}
        with app.queue(names[0]).events(after="0-0") as events:
            assert next(events).kind == "added"
        with pytest.raises(ConfigurationError, match="hash tag"):
            app.queue("videos").add("render")


async def test_the_new_master_is_found_after_a_failover(council: Council) -> None:
    with App(redis=council.url) as app:
        videos = app.queue("videos")
        await asyncio.to_thread(videos.add, "render", job_id="before")
        await asyncio.to_thread(council.replicated)
        council.master.kill()

        def found() -> bool:
            try:
                return videos.get("before").state() == "waiting"
            except ConnectionLost:
                return False

        await until(found, "the new master", seconds=2 * PATIENCE)
        assert videos.add("render", job_id="after").state() == "waiting"
