"""What a URL means for the pods of a pool, and so for the operator."""

from __future__ import annotations

import pytest

from bullpen_operator.queues.location import BadUrlError, Certificates, Location


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        pytest.param("redis://redis:6379/0", "redis://redis.media:6379/0", id="a Service beside the pool"),
        pytest.param("redis://redis", "redis://redis.media:6379/0", id="without a port"),
        pytest.param("redis://redis.cache:6379", "redis://redis.cache:6379/0", id="a Service of another namespace"),
        pytest.param("redis://cache.example.com", "redis://cache.example.com:6379/0", id="a host outside"),
        pytest.param("redis://10.0.0.7:6379", "redis://10.0.0.7:6379/0", id="an IPv4 address"),
        pytest.param("redis://[fd00::7]:6379", "redis://[fd00::7]:6379/0", id="an IPv6 address"),
        pytest.param("redis://localhost:6379", "redis://localhost:6379/0", id="this machine"),
        pytest.param(
            "redis+sentinel://s1:26379,s2.cache:26379/mymaster/2",
            "redis+sentinel://s1.media:26379,s2.cache:26379/mymaster/2",
            id="sentinels",
        ),
        pytest.param(
            "redis://n1,n2?cluster=true", "redis://n1.media:6379,n2.media:6379/0?cluster=true", id="a cluster"
        ),
    ],
)
def test_a_host_of_one_word_is_a_service_of_the_pools_namespace(url: str, meant: str) -> None:
    assert str(Location.parse(url, namespace="media")) == meant


def test_the_login_and_the_options_stay_as_they_are() -> None:
    redis = Location.parse("rediss://app:p%40ss@redis:6380/3?ssl_cert_reqs=none", namespace="media").redis
    assert (redis.host, redis.port, redis.db) == ("redis.media", 6380, 3)
    assert (redis.username, redis.password) == ("app", "p@ss")
    assert dict(redis.tls) == {"ssl_cert_reqs": "none"}


@pytest.mark.parametrize("url", ["redis+sentinel://s1/mymaster/1", "redis://n1?cluster=true"])
def test_what_sentinels_and_clusters_name_is_meant_likewise(url: str) -> None:
    assert Location.parse(url, namespace="media").at(("redis-0", 6380)).host == "redis-0.media"
    assert Location.parse(url).at(("redis-0", 6380)).host == "redis-0"


SAME = [
    ("redis://redis.media", "redis://redis.media:6379/0"),
    ("redis://n1.media,n2.media?cluster=true", "redis://n1.media:6379,n2.media:6379/0?cluster=true"),
]
OTHER = [
    ("redis://redis.media/0", "redis://redis.media/1"),
    ("redis://:one@redis.media", "redis://:two@redis.media"),
    ("rediss://redis.media", "rediss://redis.media?ssl_cert_reqs=none"),
    ("redis+sentinel://s.media/m/0", "redis+sentinel://s.media/m/0?sentinel_password=x"),
]


@pytest.mark.parametrize(("one", "another"), SAME)
def test_pools_of_one_redis_share_a_location(one: str, another: str) -> None:
    assert Location.parse(one, namespace="media") == Location.parse(another, namespace="shop")
    assert len({Location.parse(one), Location.parse(another)}) == 1


@pytest.mark.parametrize(("one", "another"), OTHER)
def test_another_login_database_or_option_is_another_location(one: str, another: str) -> None:
    assert Location.parse(one) != Location.parse(another)


def test_another_certificate_is_another_location() -> None:
    given = [Certificates("ca"), Certificates("ca", "chain", "key"), Certificates("ca", "chain", "new key")]
    assert len({Location.parse("rediss://redis", certificates=each) for each in given}) == 3


def test_a_service_of_one_word_is_another_one_in_each_namespace() -> None:
    assert Location.parse("redis://redis", namespace="media") != Location.parse("redis://redis", namespace="shop")


@pytest.mark.parametrize("url", ["redis+sentinel://s1/mymaster/0", "redis://h1/3"])
def test_what_can_be_no_cluster(url: str) -> None:
    with pytest.raises(BadUrlError, match="cluster"):
        Location.parse(url, cluster=True)


def test_a_socket_is_refused() -> None:
    with pytest.raises(BadUrlError, match="pods do not share"):
        Location.parse("unix:///run/redis.sock")
