"""Where a pool's Redis is: from its spec or its Secret, read by name, seldom, and again when it no longer works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bullpen_operator.api.reasons import Reason
from bullpen_operator.api.redis import Redis
from bullpen_operator.cluster.port import ClusterError
from bullpen_operator.engine.secret_reader import secret_reader
from bullpen_operator.queues.location import Certificates, Location
from bullpen_operator.queues.secrets import Locator
from bullpen_operator.scaling.observation import ReadingFailed
from tests.unit.operator.facts import NOW, REDIS_BY_SECRET
from tests.unit.operator.fake_cluster import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Mapping

BY_SECRET = Redis.model_validate(REDIS_BY_SECRET)
PASSWORD = "correct-horse"
URL = f"redis://:{PASSWORD}@redis:6379/0".encode()


class Desk:
    """A locator over a fake cluster, and a clock."""

    def __init__(self, secret: Mapping[str, bytes] | ClusterError | None = None) -> None:
        self.cluster = FakeCluster()
        if secret is not None:
            self.cluster.secrets["bullpen-redis"] = secret if isinstance(secret, ClusterError) else dict(secret)
        self.locator = Locator(secret_reader(self.cluster), in_cluster=False)
        self.now = NOW

    async def locate(self, *, after: float = 1.0, redis: Redis = BY_SECRET) -> Location | ReadingFailed:
        self.now += after
        await self.locator.refresh([("media", redis)], now=self.now)
        return self.locator.locate("media", redis, now=self.now)

    @property
    def reads(self) -> int:
        return len(self.cluster.calls)


async def test_a_url_in_the_spec_needs_no_secret() -> None:
    desk = Desk()
    found = await desk.locate(redis=Redis(url="redis://redis.media:6380/2"))
    assert str(found) == "redis://redis.media:6380/2"
    assert desk.reads == 0


async def test_a_secret_is_read_by_name_and_kept() -> None:
    desk = Desk({"url": URL})
    for _ in range(30):
        assert isinstance(await desk.locate(), Location)
    assert desk.cluster.calls == [("secret", "bullpen-redis")]


async def test_a_rotation_is_seen_within_a_minute() -> None:
    desk = Desk({"url": URL})
    before = await desk.locate()
    desk.cluster.secrets["bullpen-redis"] = {"url": b"redis://:other@redis:6379/0"}
    seen = [await desk.locate() for _ in range(59)]
    assert seen[-1] != before


async def test_a_secret_that_redis_refuses_is_read_again_at_once_but_not_in_a_frenzy() -> None:
    desk = Desk({"url": URL})
    await desk.locate()
    reads = []
    for _ in range(7200):
        desk.locator.distrust("media", BY_SECRET, now=desk.now)
        await desk.locate(after=0.5)
        reads.append(desk.reads - 1)
    assert reads[4] == 1, "after two seconds"
    assert reads[-1] <= 3600 / 40 + 6, "and no more often than a Secret that works, while it stays as it is"
    desk.cluster.secrets["bullpen-redis"] = {"url": b"redis://:other@redis:6379/0"}
    for _ in range(240):  # up to 50 s until it is seen, and then again after 2, 4, 8 … s
        desk.locator.distrust("media", BY_SECRET, now=desk.now)
        await desk.locate(after=0.5)
    assert desk.reads - 1 - reads[-1] >= 4, "a new one that is refused too is looked at soon again"


async def test_a_rotation_after_a_quiet_hour_is_looked_for_at_once() -> None:
    desk = Desk({"url": URL})
    for _ in range(3600):
        await desk.locate()
    desk.cluster.secrets["bullpen-redis"] = {"url": b"redis://:other@redis:6379/0"}
    reads = desk.reads
    for _ in range(4):
        desk.locator.distrust("media", BY_SECRET, now=desk.now)
        await desk.locate()
    assert desk.reads > reads


MISSING = ClusterError(status=404, reason="NotFound", message='secrets "bullpen-redis" not found')
FORBIDDEN = ClusterError(status=403, reason="Forbidden", message="cannot get resource")
AWAY = ClusterError(status=0, reason="NoAnswer", message="no answer within 10 s")

ROWS = {
    "the Secret is missing": (MISSING, Reason.SECRET_MISSING, "media/bullpen-redis does not exist"),
    "the Secret is forbidden": (FORBIDDEN, Reason.SECRET_FORBIDDEN, "redis.secretNames"),
    "the API server is away": (AWAY, Reason.UNREACHABLE, "no answer"),
    "the key is missing": ({"uri": URL}, Reason.SECRET_MISSING, "no key 'url'"),
    "the value is no text": ({"url": b"\xff\xfe"}, Reason.BAD_URL, "UTF-8"),
    "the value is no URL": ({"url": b"redis:6379"}, Reason.BAD_URL, "no scheme"),
    "the value is empty": ({"url": b""}, Reason.BAD_URL, "is empty"),
    "the password breaks the URL": ({"url": f"redis://:{PASSWORD}/x@redis".encode()}, Reason.BAD_URL, "unescaped"),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
async def test_what_is_wrong_with_a_secret_is_said_without_showing_it_and_ends_by_itself(
    row: tuple[Mapping[str, bytes] | ClusterError, Reason, str],
) -> None:
    secret, reason, words = row
    desk = Desk(secret)
    found = await desk.locate()
    assert isinstance(found, ReadingFailed)
    assert found.reason is reason
    assert words in found.message
    assert PASSWORD not in found.message
    desk.cluster.secrets["bullpen-redis"] = {"url": URL}
    seen = [await desk.locate() for _ in range(59)]
    assert isinstance(seen[-1], Location)


async def test_a_missing_secret_is_looked_for_every_few_seconds_only() -> None:
    desk = Desk()
    for _ in range(60):
        await desk.locate()
    assert 8 <= desk.reads <= 16


async def test_an_api_server_that_goes_away_takes_no_address_with_it() -> None:
    desk = Desk({"url": URL})
    before = await desk.locate()
    desk.cluster.secrets["bullpen-redis"] = AWAY
    assert [await desk.locate() for _ in range(120)][-1] == before


async def test_an_api_server_that_goes_away_does_not_change_what_was_wrong_before() -> None:
    desk = Desk(MISSING)
    await desk.locate()
    desk.cluster.secrets["bullpen-redis"] = AWAY
    later = [await desk.locate() for _ in range(30)]
    assert {found.reason for found in later if isinstance(found, ReadingFailed)} == {Reason.SECRET_MISSING}


async def test_a_secret_that_is_taken_away_is_no_longer_used() -> None:
    desk = Desk({"url": URL})
    await desk.locate()
    desk.cluster.secrets["bullpen-redis"] = MISSING
    assert isinstance([await desk.locate() for _ in range(60)][-1], ReadingFailed)


async def test_secrets_that_no_pool_names_are_forgotten() -> None:
    desk = Desk({"url": URL})
    await desk.locate()
    await desk.locator.refresh([], now=desk.now)
    assert isinstance(desk.locator.locate("media", BY_SECRET, now=desk.now), ReadingFailed)


async def test_pools_that_share_a_secret_share_the_read() -> None:
    desk = Desk({"url": URL})
    await desk.locator.refresh([("media", BY_SECRET)] * 50, now=desk.now)
    assert desk.reads == 1


async def test_a_clock_set_back_puts_off_no_reading() -> None:
    desk = Desk({"url": URL})
    await desk.locate()
    await desk.locate(after=-3600)
    assert desk.reads == 2


def by(secret: str, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": secret, "key": key}}


WITH_TLS = Redis.model_validate(
    {
        "urlFrom": by("bullpen-redis", "url"),
        "tls": {
            "caFrom": by("redis-ca", "ca.crt"),
            "certFrom": by("redis-client", "tls.crt"),
            "keyFrom": by("redis-client", "tls.key"),
        },
    }
)
KEY = "-----BEGIN PRIVATE KEY-----canary"


def certified() -> Desk:
    desk = Desk({"url": b"rediss://redis:6379"})
    desk.cluster.secrets["redis-ca"] = {"ca.crt": b"the authority"}
    desk.cluster.secrets["redis-client"] = {"tls.crt": b"the chain", "tls.key": KEY.encode()}
    return desk


async def test_certificates_come_from_secrets_that_are_read_once_each() -> None:
    desk = certified()
    found = await desk.locate(redis=WITH_TLS)
    assert isinstance(found, Location)
    assert found.certificates == Certificates("the authority", "the chain", KEY)
    assert sorted(desk.cluster.calls) == [
        ("secret", "bullpen-redis"),
        ("secret", "redis-ca"),
        ("secret", "redis-client"),
    ]


async def test_a_rotated_certificate_is_seen_within_a_minute_and_at_once_when_it_is_refused() -> None:
    desk = certified()
    before = await desk.locate(redis=WITH_TLS)
    desk.cluster.secrets["redis-client"] = {"tls.crt": b"a new chain", "tls.key": b"a new key"}
    assert (await desk.locate(redis=WITH_TLS)) == before
    assert [await desk.locate(redis=WITH_TLS) for _ in range(58)][-1] != before
    before = await desk.locate(redis=WITH_TLS)
    desk.cluster.secrets["redis-ca"] = {"ca.crt": b"a new authority"}
    desk.locator.distrust("media", WITH_TLS, now=desk.now)
    assert [await desk.locate(redis=WITH_TLS) for _ in range(4)][-1] != before


BROKEN = {
    "no such Secret": ("redis-ca", MISSING, Reason.SECRET_MISSING, "media/redis-ca does not exist"),
    "no such key": (
        "redis-client",
        {"tls.crt": b"x"},
        Reason.SECRET_MISSING,
        "no key 'tls.key': add it, holding the cl",
    ),
    "no text": ("redis-ca", {"ca.crt": b"\xff\xfe"}, Reason.TLS_FAILED, "put the authority's certificate"),
    "a URL without TLS": ("bullpen-redis", {"url": b"redis://redis"}, Reason.BAD_URL, "write rediss://"),
}


@pytest.mark.parametrize("row", BROKEN.values(), ids=BROKEN.keys())
async def test_what_is_wrong_with_a_certificates_secret(
    row: tuple[str, Mapping[str, bytes] | ClusterError, Reason, str],
) -> None:
    name, secret, reason, words = row
    desk = certified()
    desk.cluster.secrets[name] = secret if isinstance(secret, ClusterError) else dict(secret)
    found = await desk.locate(redis=WITH_TLS)
    assert isinstance(found, ReadingFailed)
    assert found.reason is reason
    assert words in found.message
    assert "canary" not in found.message
