"""What a URL means for the pods of a pool, and so for the operator."""

from __future__ import annotations

import pytest

from bullpen_operator.queues.location import Location


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        pytest.param("redis://redis:6379/0", "redis://redis.media:6379/0", id="a Service beside the pool"),
        pytest.param("redis://redis", "redis://redis.media", id="without a port"),
        pytest.param("rediss://app:p%40ss@redis:6380/3?ssl_cert_reqs=none", None, id="with all that a URL may have"),
        pytest.param("redis://redis.cache:6379", "redis://redis.cache:6379", id="a Service of another namespace"),
        pytest.param("redis://cache.example.com", "redis://cache.example.com", id="a host outside"),
        pytest.param("redis://10.0.0.7:6379", "redis://10.0.0.7:6379", id="an IPv4 address"),
        pytest.param("redis://[fd00::7]:6379", "redis://[fd00::7]:6379", id="an IPv6 address"),
        pytest.param("redis://localhost:6379", "redis://localhost:6379", id="this machine"),
    ],
)
def test_a_host_of_one_word_is_a_service_of_the_pools_namespace(url: str, meant: str | None) -> None:
    expected = meant or url.replace("@redis:", "@redis.media:")
    assert Location.parse(url).beside("media").url == expected
