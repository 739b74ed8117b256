"""A cluster of three masters: one link a slot, and a slot that moves while jobs are added and done."""

from __future__ import annotations

import asyncio
from dataclasses import astuple
from pathlib import Path

import pytest

from bullpen import App, Flow
from bullpen.client.blocking import BlockingLink
from bullpen.client.connection import Link
from bullpen.client.links import Links, SyncLinks
from bullpen.client.sync import SyncLink
from bullpen.errors import ConfigurationError, ConnectionLost
from bullpen.protocol import Call, QueueKeys
from bullpen.protocol.calls import add, read
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.slots import slot_of
from tests.integration import tls
from tests.integration.redis_server import RedisServer, free_port
from tests.integration.servers.cluster import Cluster, Migration, ask
from tests.integration.servers.load import loaded
from tests.integration.worker.house import until, working
from tests.integration.worker.receiver import SECRET, receiving

PORT = Call(command=("CONFIG", "GET", "port"), parse=lambda reply: int(reply[1]))


async def test_one_tagged_prefix_puts_all_queues_on_one_link(cluster: Cluster) -> None:
    first, second = QueueKeys("{one}", "videos"), QueueKeys("{one}", "emails")
    async with Links(RedisLocation.parse(cluster.url)) as links:
        assert await links.of(first) is await links.of(second)
        assert await (await links.of(first)).run(PORT) == cluster.owner(slot_of(first)).port


async def test_tagged_names_have_a_link_each_to_the_master_of_their_slot(cluster: Cluster) -> None:
    queues = [QueueKeys("bull", name) for name in ("{a}", "{b}", "{c}", "{d}")]
    owners = [cluster.owner(slot_of(keys)).port for keys in queues]
    assert len(set(owners)) > 1
    location = RedisLocation.parse(cluster.url)
    threads = SyncLinks(location)
    async with Links(location) as links:
        assert [await (await links.of(keys)).run(PORT) for keys in queues] == owners
    assert [threads.of(keys).run(PORT) for keys in queues] == owners
    for keys, owner in zip(queues, owners, strict=True):
        async with BlockingLink(location, queue=keys) as blocking:
            assert await blocking.run(PORT, block=0) == owner


async def test_keys_without_a_tag_are_refused(cluster: Cluster) -> None:
    location = RedisLocation.parse(cluster.url)
    keys = QueueKeys("bull", "videos")
    for link in (Link(location, queue=keys), BlockingLink(location, queue=keys)):
        async with link:
            with pytest.raises(ConfigurationError, match=r"hash tag into the prefix, as in \{bull\}, or .* \{videos\}"):
                await (link.run(PORT) if isinstance(link, Link) else link.run(PORT, block=0))
    with pytest.raises(ConfigurationError, match="hash tag"):
        SyncLink(location, queue=keys).run(PORT)
    async with App(redis=cluster.url) as app:
        with pytest.raises(ConfigurationError, match="hash tag"):
            await app.queue("videos").add("render")

        @app.queue("videos").job()
        async def anything(data: object) -> None: ...

        with pytest.raises(ConfigurationError, match="hash tag"):
            async with working(app, cluster.url):
                pass
    async with Link(location) as link:
        with pytest.raises(ConfigurationError, match="open the link for a queue"):
            await link.run(PORT)


async def test_a_flow_of_one_slot_is_added_and_one_of_two_slots_writes_nothing(cluster: Cluster) -> None:
    async with App(redis=cluster.url) as app:
        apart = Flow(name="merge", queue="{flow-a}", children=[Flow(name="cut", queue="{flow-b}")])
        with pytest.raises(ConfigurationError, match=r"'\{flow-a\}' and '\{flow-b\}' are in different hash slots"):
            await app.flow(apart)
        for queue in ("{flow-a}", "{flow-b}"):
            assert not any(astuple(await app.queue(queue).counts()))
    async with App(redis=cluster.url, prefix="{flow}") as app:
        added = await app.flow(Flow(name="merge", queue="merges", children=[Flow(name="cut", queue="cuts")]))
        assert await added.job.state() == "waiting-children"
        assert await added.children[0].job.state() == "waiting"


async def test_a_url_without_cluster_true_says_what_is_missing(cluster: Cluster) -> None:
    keys = QueueKeys("{other}", "videos")
    stranger = next(node for node in cluster.nodes if node is not cluster.owner(slot_of(keys)))
    async with Link(RedisLocation.parse(stranger.url)) as link:
        with pytest.raises(ConfigurationError, match=r"node of a cluster: add \?cluster=true"):
            await link.run(read.counts(keys))


async def test_a_server_that_is_no_cluster(redis_url: str) -> None:
    url = redis_url.rpartition("/")[0] + "?cluster=true"
    with pytest.raises(ConfigurationError, match="is no cluster: leave cluster=true out"):
        SyncLink(RedisLocation.parse(url), queue=QueueKeys("{bull}", "videos")).run(PORT)


@pytest.mark.parametrize("names", [("videos", "emails"), ("{red}", "{green}", "{blue}")], ids=["one slot", "several"])
async def test_a_worker_and_a_producer(cluster: Cluster, names: tuple[str, ...]) -> None:
    prefix = "bull" if names[0].startswith("{") else "{bull}"
    async with loaded(cluster.url, *names, prefix=prefix) as loads:
        for load in loads:
            load.stop()
        for load in loads:
            await load.everything_is_done()
            assert load.failures == 0
        job = await loads[0].queue.add("step", "with a result")
        assert await job.result(timeout=20) == "with a result"


async def test_a_slot_moves_in_the_middle_of_load(cluster: Cluster) -> None:
    keys = QueueKeys("{moving}", "videos")
    async with loaded(cluster.url, "videos", prefix="{moving}") as (load,):
        migration = Migration(cluster, slot_of(keys))
        added, failures = len(load.acknowledged), load.failures
        migration.begin()
        assert await asyncio.to_thread(migration.move_keys) > 0
        # Half way nothing may run at the target, which would not see what is still at the source.
        assert len(load.acknowledged) <= added + 2
        migration.end()
        await load.grows()
        assert load.failures == failures  # what a node did not run was repeated by the link
        load.stop()
        await load.everything_is_done()
        assert cluster.owner(slot_of(keys)) is migration.target
        assert max(load.done.values()) == 1
        assert ask(migration.target, "EXISTS", keys.workers) == 1  # the thread's link came along
        await load.add("after the move")
        await until(lambda: load.done["after the move"] == 1, "an idle worker is woken")


@pytest.mark.parametrize("crash", [False, True], ids=["asked for", "crash"])
async def test_a_replica_takes_over_in_the_middle_of_load(tmp_path: Path, crash: bool) -> None:
    keys = QueueKeys("{failover}", "videos")
    cluster = Cluster(tmp_path)
    cluster.start()
    try:
        master = cluster.owner(slot_of(keys))
        witness = next(node for node in cluster.nodes if node is not master)
        replica = await asyncio.to_thread(cluster.replicate, master)
        async with loaded(cluster.url, "videos", prefix="{failover}") as (load,):
            if crash:
                master.kill()
            else:
                ask(replica, "CLUSTER", "FAILOVER")
            await until(lambda: cluster.owner(slot_of(keys), by=witness) is replica, "the replica is the master")
            await load.grows()
            load.stop()
            await load.everything_is_done(lost=crash)
    finally:
        cluster.stop()


async def test_calls_wait_for_the_end_of_a_migration_in_their_order(cluster: Cluster) -> None:
    keys = QueueKeys("{waiting}", "videos")
    migration = Migration(cluster, slot_of(keys))
    async with Link(RedisLocation.parse(cluster.url), queue=keys) as link:
        await link.run(add.add(keys, name="first", data="{}", now=1))
        migration.begin()
        waiting = [asyncio.create_task(link.run(add.add(keys, name=f"{n}", data="{}", now=1))) for n in range(20)]
        await until(lambda: not link.connected, "the link has been told to ask elsewhere")
        assert not any(each.done() for each in waiting)
        migration.move_keys()
        migration.end()
        assert [(await each).job_id for each in waiting] == [str(n) for n in range(2, 22)]


async def test_a_migration_that_does_not_end_fails_unsent(cluster: Cluster) -> None:
    keys = QueueKeys("{stuck}", "videos")
    migration = Migration(cluster, slot_of(keys))
    location = RedisLocation.parse(cluster.url)
    async with Link(location, queue=keys, timeout=0.5) as link, BlockingLink(location, queue=keys) as blocking:
        await link.run(read.counts(keys))
        migration.begin()
        try:
            with pytest.raises(ConnectionLost, match="ASK") as lost:
                await link.run(add.add(keys, name="first", data="{}", now=1))
            assert not lost.value.sent
            with pytest.raises(ConnectionLost, match="ASK") as lost:
                await blocking.run(Call(command=("BLPOP", keys.wait, 1), parse=list), block=1)
            assert not lost.value.sent
        finally:
            migration.end()
    async with Link(location, queue=keys) as link:
        assert (await link.run(read.counts(keys))).waiting == 0


@pytest.mark.parametrize(("prefix", "name"), [("{told}", "videos"), ("bull", "{told}"), ("bull", "videos-{told}")])
async def test_webhooks_are_in_the_slot_of_their_queue(cluster: Cluster, prefix: str, name: str) -> None:
    with receiving() as receiver:
        async with App(redis=cluster.url, prefix=prefix) as app:
            videos = app.queue(name)
            videos.job()(done)
            videos.webhook(receiver.url, secret=SECRET, allow_private=True)
            async with working(app, cluster.url, prefix=prefix):
                job = await videos.add("render")
                await until(lambda: len(receiver.received) == 1, "it is told")
    assert receiver.received[0].verified()["data"]["jobId"] == job.id


async def test_webhooks_of_a_queue_without_a_tag_are_refused_with_it(cluster: Cluster) -> None:
    app = App(redis=cluster.url)
    videos = app.queue("videos")
    videos.job()(done)
    videos.webhook("https://example.com/hooks", secret=SECRET)
    with pytest.raises(ConfigurationError, match="'videos' with the prefix 'bull' cannot live in a Redis cluster"):
        async with working(app, cluster.url):
            pass


async def done(data: object) -> object:
    return data


async def test_a_slot_that_nobody_serves_for_a_while(cluster: Cluster) -> None:
    keys = QueueKeys("{nobody}", "videos")
    slot, location = slot_of(keys), RedisLocation.parse(cluster.url)
    owner = cluster.owner(slot)
    async with Link(location, queue=keys) as link:
        await link.run(read.counts(keys))
        for node in cluster.nodes:
            ask(node, "CLUSTER", "DELSLOTS", slot)
        with SyncLink(location, queue=keys) as thread, pytest.raises(ConnectionLost, match=f"serves slot {slot} now"):
            thread.run(PORT)
        waiting = asyncio.create_task(link.run(add.add(keys, name="first", data="{}", now=1)))
        await until(lambda: not link.connected, "the link leaves")
        ask(owner, "CLUSTER", "ADDSLOTS", slot)
        assert (await waiting).job_id == "1"


async def test_the_nodes_of_the_url_may_go_once_others_are_known(cluster: Cluster) -> None:
    keys = QueueKeys("{known}", "videos")
    stranger = next(node for node in cluster.nodes if node is not cluster.owner(slot_of(keys)))
    urls = iter([f"redis://127.0.0.1:{stranger.port}?cluster=true"])
    gone = f"redis://127.0.0.1:{free_port()}?cluster=true"
    with SyncLink(lambda: RedisLocation.parse(next(urls, gone)), queue=keys) as thread:
        assert thread.run(PORT) == cluster.owner(slot_of(keys)).port
        thread.close()
        assert thread.run(PORT) == cluster.owner(slot_of(keys)).port


async def test_a_cluster_with_tls(tmp_path: Path) -> None:
    path, port = tls.certificate(tmp_path), free_port()
    options = ["--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--tls-cluster", "yes"]
    node = RedisServer(tmp_path / "node", *tls.tls_options(path, port), *options)
    node.start()
    try:
        ask(node, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        url = f"rediss://127.0.0.1:{port}?cluster=true&ssl_ca_certs={path}"
        async with loaded(url, "{videos}") as (load,):
            load.stop()
            await load.everything_is_done()
    finally:
        node.stop()
