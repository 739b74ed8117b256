"""A queue at rest that something is added to rings at once; whatever may go wrong with that, ticks do not need it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest
import redis

from bullpen.client.links import Links
from bullpen.protocol import QueueKeys
from bullpen.protocol.calls.add import add
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.options import JobOptions
from bullpen_operator.queues.doorbell import MOST_SLOTS, Doorbell
from bullpen_operator.queues.endpoint import Endpoint
from bullpen_operator.queues.location import Location
from bullpen_operator.queues.question import Question
from bullpen_operator.scaling.observation import QueueReading
from tests.integration.operator.rights import rights
from tests.integration.redis_server import RedisServer
from tests.integration.servers.cluster import Cluster
from tests.integration.servers.council import Council

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator
    from pathlib import Path


class Porch:
    """An endpoint, its doorbell, and what rang."""

    def __init__(self, url: str) -> None:
        location = Location.parse(url)
        self.url = url
        self.endpoint = Endpoint(location, on_round_trip=lambda _seconds, _ok: None)
        self.rung: list[Question] = []
        self.bell = Doorbell(location, where=self.endpoint.where, heard=self._hear, timeout=1.0)

    def _hear(self, questions: Collection[Question]) -> None:
        self.rung.extend(questions)

    async def look(self, *queues: str, prefix: str = "bull") -> None:
        """Read the queues as a tick does, and listen to all of them."""
        questions = [Question(prefix, queue) for queue in queues]
        answers = await self.endpoint.read(questions, now=time.time())
        seen = {question: answer for question, answer in answers.items() if isinstance(answer, QueueReading)}
        assert len(seen) == len(questions), answers
        self.bell.watch({question: each.newest_event for question, each in seen.items() if each.newest_event})

    async def add(self, queue: str, *, prefix: str = "bull", **options: int) -> None:
        keys = QueueKeys(prefix, queue)
        async with Links(RedisLocation.parse(self.url)) as links:
            now, chosen = int(time.time() * 1000), JobOptions(**options)  # type: ignore[arg-type]
            await (await links.of(keys)).run(add(keys, name="job", data="{}", now=now, options=chosen))

    async def until_rung(self, *queues: str) -> None:
        await until(lambda: sorted(question.queue for question in self.rung) == sorted(queues))


@contextlib.asynccontextmanager
async def porch(url: str) -> AsyncIterator[Porch]:
    made = Porch(url)
    task = asyncio.create_task(made.bell.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])
        await made.endpoint.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


def blocked(server: RedisServer) -> int:
    """How many connections wait in an XREAD."""
    with redis.Redis(port=server.port, protocol=2) as client:
        return int(client.info("clients")["blocked_clients"])


async def test_a_job_rings_for_its_queue_alone(own_redis: RedisServer) -> None:
    async with porch(own_redis.url) as here:
        await here.look("video", "audio")
        await here.add("video")
        await here.until_rung("video")


async def test_what_was_added_between_the_look_and_the_listening_rings_too(own_redis: RedisServer) -> None:
    here = Porch(own_redis.url)
    await here.look("video")
    await here.add("video")
    task = asyncio.create_task(here.bell.run())
    await here.until_rung("video")
    task.cancel()
    await here.endpoint.close()


async def test_jobs_from_before_the_look_do_not_ring(own_redis: RedisServer) -> None:
    async with porch(own_redis.url) as here:
        await here.add("video")
        await here.look("video", "audio")
        await until(lambda: blocked(own_redis) == 1)
        await here.add("audio")
        await here.until_rung("audio")


async def test_a_queue_rings_once_until_it_was_looked_at_again(own_redis: RedisServer) -> None:
    async with porch(own_redis.url) as here:
        await here.look("video", "audio")
        await here.add("video")
        await here.until_rung("video")
        await here.add("video")
        await here.add("audio")
        await here.until_rung("video", "audio")
        await here.look("video")
        await here.add("video")
        await here.until_rung("video", "audio", "video")


async def test_a_queue_that_is_asked_about_in_two_ways_rings_for_both(own_redis: RedisServer) -> None:
    both = [Question("bull", "video"), Question("bull", "video", nameless=True)]
    async with porch(own_redis.url) as here:
        await here.endpoint.read(both, now=time.time())
        here.bell.watch(dict.fromkeys(both, "0-0"))
        await here.add("video")
        await here.until_rung("video", "video")
        assert set(here.rung) == set(both)


async def test_a_delayed_job_rings(own_redis: RedisServer) -> None:
    async with porch(own_redis.url) as here:
        await here.look("video")
        await here.add("video", delay=60_000)
        await here.until_rung("video")


async def test_events_that_bring_no_work_do_not_ring(own_redis: RedisServer) -> None:
    async with porch(own_redis.url) as here:
        await here.look("video", "audio")
        await until(lambda: blocked(own_redis) == 1)
        with redis.Redis(port=own_redis.port) as client:
            for _ in range(50):
                client.xadd("bull:video:events", {"event": "paused"})
        await here.add("audio")
        await here.until_rung("audio")
        await here.add("video")
        await here.until_rung("audio", "video")


async def test_a_hundred_queues_share_one_connection(own_redis: RedisServer) -> None:
    async with porch(own_redis.url) as here:
        await here.look(*(f"q{n}" for n in range(100)))
        await until(lambda: blocked(own_redis) == 1)
        await here.add("q7")
        await here.add("q93")
        await here.until_rung("q7", "q93")
        with redis.Redis(port=own_redis.port, protocol=2) as client:
            connections = [each for each in client.client_list() if each["cmd"].startswith(("eval", "xread"))]
        assert len(connections) == 2


async def test_nothing_to_listen_to_leaves_no_connection(own_redis: RedisServer) -> None:
    async with porch(own_redis.url) as here:
        await here.look("video")
        await until(lambda: blocked(own_redis) == 1)
        here.bell.watch({})
        with redis.Redis(port=own_redis.port, protocol=2) as client:
            await until(lambda: not [each for each in client.client_list() if each["cmd"].startswith("xread")])


async def test_it_comes_back_with_its_server(own_redis: RedisServer) -> None:
    async with porch(own_redis.url) as here:
        await here.look("video")
        await until(lambda: blocked(own_redis) == 1)
        own_redis.kill()
        own_redis.start()
        with contextlib.suppress(AssertionError):
            await here.look("video")  # fails once, on the old connection
        await until(lambda: blocked(own_redis) == 1)
        await here.add("video")
        await here.until_rung("video")


async def test_a_stream_of_another_type_spoils_its_own_queue_only(own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.set("bull:broken:events", "no stream")
    async with porch(own_redis.url) as here:
        await here.look("broken", "video")
        await here.add("video")
        await here.until_rung("video")


@pytest.mark.parametrize("lacking", ["+xread", "+xrevrange"])
async def test_a_user_that_may_not_listen_reads_all_the_same(own_redis: RedisServer, lacking: str) -> None:
    allowed = [right for right in rights() if right != lacking]
    with redis.Redis(port=own_redis.port) as client:
        client.acl_setuser("reader", enabled=True, passwords=["+pw"], keys=["bull:*"], commands=allowed)
    async with porch(f"redis://reader:pw@127.0.0.1:{own_redis.port}") as here:
        await here.look("video")


async def test_a_user_with_the_rights_of_the_page_hears_it(own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.acl_setuser("reader", enabled=True, passwords=["+pw"], keys=["bull:*"], commands=rights())
    async with porch(f"redis://reader:pw@127.0.0.1:{own_redis.port}") as here:
        await here.look("video")
        here.url = own_redis.url
        await here.add("video")
        await here.until_rung("video")


async def test_a_refused_listener_says_what_it_lacks_once(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis(port=own_redis.port) as client:
        commands = [right for right in rights() if right != "+xread"]
        client.acl_setuser("reader", enabled=True, passwords=["+canary"], keys=["bull:*"], commands=commands)
    async with porch(f"redis://reader:canary@127.0.0.1:{own_redis.port}") as here:
        await here.look("video")
        await until(lambda: "needs +xread" in caplog.text)
        assert "the command 'xread' is refused" in caplog.text
        assert "canary" not in caplog.text


async def test_it_moves_to_the_new_master(tmp_path: Path) -> None:
    council = Council(tmp_path)
    council.start()
    try:
        async with porch(council.url) as here:
            await here.look("video")
            await until(lambda: blocked(council.master) == 1)
            council.replicated()
            council.master.kill()
            async with asyncio.timeout(60):
                while True:
                    with contextlib.suppress(AssertionError):
                        await here.look("video")
                        break
                    await asyncio.sleep(0.1)
            await until(lambda: blocked(council.replica) == 1)
            await here.add("video")
            await here.until_rung("video")
        council.master.start()
    finally:
        council.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    made.start()
    yield made
    made.stop()


async def test_a_cluster_rings_for_queues_of_several_slots(cluster: Cluster) -> None:
    names = ["{a}", "{b}", "{c}", "{d}", "{d}-2"]
    async with porch(cluster.url) as here:
        await here.look(*names)
        await until(lambda: sum(blocked(node) for node in cluster.nodes) == 4)
        for name in names:
            await here.add(name)
        await here.until_rung(*names)


async def test_a_cluster_with_queues_in_very_many_slots_has_no_doorbell(cluster: Cluster) -> None:
    names = [f"{{q{n}}}" for n in range(MOST_SLOTS + 1)]
    async with porch(cluster.url) as here:
        await here.look(*names[:MOST_SLOTS])
        await until(lambda: sum(blocked(node) for node in cluster.nodes) == MOST_SLOTS)
        await here.look(*names)
        await until(lambda: sum(blocked(node) for node in cluster.nodes) == 0)
