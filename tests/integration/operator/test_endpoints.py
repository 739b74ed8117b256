"""Redis as it is run in earnest: over TLS, behind sentinels, as a cluster; and what becomes of it in an accident."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest
import redis

from bullpen.client.links import Links
from bullpen.farewell import hang_up
from bullpen.protocol import QueueKeys
from bullpen.protocol.calls.add import add
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.slots import slot_of
from bullpen_operator.api.reasons import Reason
from bullpen_operator.queues.dial import dial
from bullpen_operator.queues.endpoint import Endpoint
from bullpen_operator.queues.location import BadUrlError, Certificates, Location
from bullpen_operator.queues.question import Question
from bullpen_operator.scaling.observation import QueueReading, ReadingFailed
from tests.integration import tls
from tests.integration.redis_server import RedisServer, free_port
from tests.integration.servers.cluster import Cluster, Migration, ask
from tests.integration.servers.council import NAME, Council

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from bullpen_operator.scaling.observation import QueueReading as Reading


class Reader:
    """An endpoint, and how often it went to Redis."""

    def __init__(self, location: Location, *, timeout: float = 2.0) -> None:
        self.trips = 0
        self.endpoint = Endpoint(location, on_round_trip=self._went, timeout=timeout)

    def _went(self, _seconds: float, _ok: bool) -> None:
        self.trips += 1

    async def read(self, queue: str, *, prefix: str = "bull") -> Reading | ReadingFailed:
        question = Question(prefix, queue)
        return (await self.endpoint.read([question], now=time.time()))[question]

    async def until_read(self, queue: str, *, waiting: int) -> None:
        async with asyncio.timeout(30):
            while True:
                answer = await self.read(queue)
                if isinstance(answer, QueueReading) and answer.waiting == waiting:
                    return
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def reader(url: str, **said: object) -> AsyncIterator[Reader]:
    made = Reader(Location.parse(url, **said))
    try:
        yield made
    finally:
        await made.endpoint.close()


async def add_jobs(url: str, queue: str, count: int) -> None:
    keys = QueueKeys("bull", queue)
    async with Links(RedisLocation.parse(url)) as links:
        for _ in range(count):
            await (await links.of(keys)).run(add(keys, name="job", data="{}", now=int(time.time() * 1000)))


async def failure(url: str, queue: str = "video", **said: object) -> ReadingFailed:
    async with reader(url, **said) as here:
        answer = await here.read(queue)
    assert isinstance(answer, ReadingFailed), answer
    return answer


class TestTls:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[tuple[str, str, str]]:
        """One that asks its clients for a certificate: URL, certificate and key."""
        path = tls.certificate(tmp_path)
        port = free_port()
        options = ["yes" if each == "no" else each for each in tls.tls_options(path, port)]
        server = RedisServer(tmp_path / "redis", *options)
        server.start()
        yield f"rediss://127.0.0.1:{port}/0", path.read_text(), path.with_suffix(".key").read_text()
        server.stop()

    async def test_certificates_from_secrets(self, server: tuple[str, str, str]) -> None:
        url, certificate, key = server
        async with reader(url, certificates=Certificates(certificate, certificate, key)) as here:
            assert isinstance(await here.read("video"), QueueReading)
            assert here.trips == 1

    async def test_who_hangs_up_does_not_wait_for_a_goodbye(self, server: tuple[str, str, str]) -> None:
        url, certificate, key = server
        certificates = Certificates(certificate, certificate, key)
        connection = await dial(RedisLocation.parse(url), certificates, timeout=5)
        assert connection._writer is not None
        socket = connection._writer.get_extra_info("socket")
        await hang_up(connection)
        assert socket.fileno() == -1

    async def test_an_authority_that_is_not_given_is_not_trusted(self, server: tuple[str, str, str]) -> None:
        answer = await failure(server[0])
        assert answer.reason is Reason.TLS_FAILED
        assert "not trusted" in answer.message
        assert "redis.tls" in answer.message

    async def test_a_client_certificate_that_is_wanted_and_missing(self, server: tuple[str, str, str]) -> None:
        """The server hangs up without a word."""
        url, certificate, _ = server
        answer = await failure(url, certificates=Certificates(authority=certificate))
        assert answer.reason in (Reason.TLS_FAILED, Reason.UNREACHABLE)
        assert "redis.tls" in answer.message

    async def test_a_key_of_another_certificate(self, server: tuple[str, str, str], tmp_path: Path) -> None:
        url, certificate, _ = server
        (tmp_path / "other").mkdir()
        other = tls.certificate(tmp_path / "other").with_suffix(".key").read_text()
        answer = await failure(url, certificates=Certificates(certificate, certificate, other))
        assert answer.reason is Reason.TLS_FAILED
        assert "redis.tls.certFrom and keyFrom" in answer.message
        assert "KEY_VALUES_MISMATCH" in answer.message

    @pytest.mark.parametrize("text", ["", "not a certificate", "\N{SNOWMAN}"])
    async def test_what_is_no_certificate(self, server: tuple[str, str, str], text: str) -> None:
        url, certificate, key = server
        for given in (Certificates(authority=text), Certificates(certificate, text, key)):
            answer = await failure(url, certificates=given)
            assert answer.reason is Reason.TLS_FAILED
            assert "PEM" in answer.message

    async def test_a_file_of_the_url_that_is_not_there(self, server: tuple[str, str, str]) -> None:
        answer = await failure(f"{server[0]}?ssl_ca_certs=/nowhere/ca.crt")
        assert answer.reason is Reason.TLS_FAILED
        assert "redis.tls" in answer.message

    def test_certificates_for_a_url_without_tls(self) -> None:
        with pytest.raises(BadUrlError, match="rediss://"):
            Location.parse("redis://redis:6379", certificates=Certificates(authority="x"))

    def test_no_key_is_shown(self) -> None:
        location = Location.parse("rediss://redis:6379", certificates=Certificates("a", "b", "canary"))
        assert "canary" not in f"{location}{location!r}"


class TestSentinel:
    @pytest.fixture
    def council(self, tmp_path: Path) -> Iterator[Council]:
        made = Council(tmp_path)
        made.start()
        yield made
        made.stop()

    async def test_the_master_is_read_over_one_connection(self, council: Council) -> None:
        await add_jobs(council.url, "video", 3)
        async with reader(council.url) as here:
            for _ in range(5):
                answer = await here.read("video")
                assert isinstance(answer, QueueReading)
                assert answer.waiting == 3
            assert here.trips == 5
            with redis.Redis(port=council.master.port, protocol=2) as client:
                assert len([each for each in client.client_list() if each["cmd"].startswith("eval")]) == 1

    async def test_a_failover_is_followed(self, council: Council) -> None:
        await add_jobs(council.url, "video", 3)
        council.replicated()
        async with reader(council.url) as here:
            await here.until_read("video", waiting=3)
            council.master.kill()
            gone = await here.read("video")
            assert isinstance(gone, ReadingFailed)
            assert gone.reason is Reason.UNREACHABLE
            await here.until_read("video", waiting=3)
            with redis.Redis(port=council.replica.port) as client:
                assert client.role()[0] == b"master"
        council.master.start()

    async def test_a_master_that_was_replaced_and_still_answers_is_left(self, council: Council) -> None:
        async with reader(council.url) as here:
            await here.until_read("video", waiting=0)
            following = asyncio.create_task(here.endpoint.follow(every=0.1))
            council.switch()
            await add_jobs(council.url, "video", 2)
            await here.until_read("video", waiting=2)
            following.cancel()

    async def test_an_unknown_master(self, council: Council) -> None:
        answer = await failure(council.url.replace(NAME, "nobody"))
        assert answer.reason is Reason.UNREACHABLE
        assert "3 of 3 sentinels answered" in answer.message

    async def test_sentinels_that_are_away(self) -> None:
        answer = await failure(f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/{NAME}/0")
        assert answer.reason is Reason.UNREACHABLE
        assert "0 of 2 sentinels answered" in answer.message
        assert "Connection refused" in answer.message

    async def test_a_redis_that_is_no_sentinel(self, own_redis: RedisServer) -> None:
        answer = await failure(f"redis+sentinel://127.0.0.1:{own_redis.port}/{NAME}/0")
        assert answer.reason is Reason.BAD_URL
        assert "no sentinel" in answer.message


class TestCluster:
    @pytest.fixture
    def cluster(self, tmp_path: Path) -> Iterator[Cluster]:
        made = Cluster(tmp_path)
        made.start()
        yield made
        made.stop()

    async def test_queues_of_all_nodes_take_a_round_trip_for_each_node(self, cluster: Cluster) -> None:
        names = [f"{{{letter}}}" for letter in "abcdefgh"]
        for count, name in enumerate(names):
            await add_jobs(cluster.url, name, count)
        owners = {cluster.owner(slot_of(QueueKeys("bull", name))).port for name in names}
        assert len(owners) == 3
        async with reader(cluster.url) as here:
            questions = [Question("bull", name) for name in names]
            answers = await here.endpoint.read(questions, now=time.time())
            seen = [answers[question] for question in questions]
            assert [answer.waiting for answer in seen if isinstance(answer, QueueReading)] == list(range(8))
            assert here.trips == 3
        for node in cluster.nodes:
            with redis.Redis(port=node.port, protocol=2) as client:
                async with asyncio.timeout(20):
                    while [each for each in client.client_list() if each["cmd"].startswith("eval")]:  # noqa: ASYNC110 - the server tells nobody
                        await asyncio.sleep(0.01)

    async def test_one_node_and_cluster_true_are_enough(self, cluster: Cluster) -> None:
        await add_jobs(cluster.url, "{a}", 2)
        for node in cluster.nodes:
            async with reader(node.url, cluster=True) as here:
                await here.until_read("{a}", waiting=2)

    async def test_one_node_without_cluster_true_says_what_is_missing(self, cluster: Cluster) -> None:
        owner = cluster.owner(slot_of(QueueKeys("bull", "{a}")))
        other = next(node for node in cluster.nodes if node is not owner)
        answer = await failure(other.url, "{a}")
        assert answer.reason is Reason.UNREACHABLE
        assert "set redis.cluster to true" in answer.message

    async def test_a_queue_without_a_hash_tag(self, cluster: Cluster) -> None:
        await add_jobs(cluster.url, "{a}", 1)
        async with reader(cluster.url) as here:
            answers = await here.endpoint.read([Question("bull", "video"), Question("bull", "{a}")], now=time.time())
        refused, sound = answers[Question("bull", "video")], answers[Question("bull", "{a}")]
        assert isinstance(refused, ReadingFailed)
        assert refused.reason is Reason.QUEUE_UNREADABLE
        assert "hash tag" in refused.message
        assert isinstance(sound, QueueReading)

    async def test_a_slot_that_has_moved_is_read_where_it_is_in_the_same_tick(self, cluster: Cluster) -> None:
        await add_jobs(cluster.url, "{a}", 3)
        async with reader(cluster.url) as here:
            await here.until_read("{a}", waiting=3)
            migration = Migration(cluster, slot_of(QueueKeys("bull", "{a}")))
            migration.begin()
            migration.move_keys()
            migration.end()
            answer = await here.read("{a}")
            assert isinstance(answer, QueueReading), answer
            assert answer.waiting == 3

    async def test_half_a_queue_is_never_read(self, cluster: Cluster) -> None:
        await add_jobs(cluster.url, "{a}", 3)
        async with reader(cluster.url) as here:
            migration = Migration(cluster, slot_of(QueueKeys("bull", "{a}")))
            migration.begin()
            during = await here.read("{a}")
            migration.move_keys()
            after = await here.read("{a}")
            migration.end()
            for answer in (during, after):
                assert isinstance(answer, ReadingFailed)
                assert answer.reason is Reason.UNREACHABLE
                assert "moves the queue's slot" in answer.message
            await here.until_read("{a}", waiting=3)

    async def test_a_replica_that_takes_over_is_read(self, cluster: Cluster) -> None:
        await add_jobs(cluster.url, "{a}", 3)
        master = cluster.owner(slot_of(QueueKeys("bull", "{a}")))
        replica = cluster.replicate(master)
        elsewhere = next(
            name
            for name in ("{b}", "{c}", "{d}", "{e}")
            if cluster.owner(slot_of(QueueKeys("bull", name))) is not master
        )
        async with reader(cluster.url) as here:
            await here.until_read("{a}", waiting=3)
            with redis.Redis(port=master.port) as client:
                client.wait(1, 10_000)
            master.kill()
            answers = await here.endpoint.read([Question("bull", "{a}"), Question("bull", elsewhere)], now=time.time())
            assert isinstance(answers[Question("bull", "{a}")], ReadingFailed)
            assert isinstance(answers[Question("bull", elsewhere)], QueueReading)
            await here.until_read("{a}", waiting=3)
            assert ask(replica, "ROLE")[0] == b"master"
        master.start()

    async def test_a_server_that_is_no_cluster(self, own_redis: RedisServer) -> None:
        answer = await failure(own_redis.url, "{a}", cluster=True)
        assert answer.reason is Reason.BAD_URL
        assert "is no cluster" in answer.message

    async def test_a_cluster_that_is_away_is_not_asked_in_a_frenzy(self) -> None:
        async with reader(f"redis://127.0.0.1:{free_port()},127.0.0.1:{free_port()}?cluster=true") as here:
            answer = await here.read("{a}")
            assert isinstance(answer, ReadingFailed)
            assert answer.reason is Reason.UNREACHABLE
            assert "Connection refused" in answer.message
            assert await here.read("{a}") is answer, "the next attempt is not due yet"
