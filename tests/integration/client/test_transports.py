"""Each kind of link over each kind of connection: a Unix socket, TLS, an ACL user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from bullpen.client.blocking import BlockingLink
from bullpen.client.connection import Link
from bullpen.client.sync import SyncLink
from bullpen.errors import ConnectionLost
from bullpen.protocol import Call
from bullpen.protocol.location import RedisLocation
from bullpen.runtime.settings import redis_from_environment
from tests.integration import tls
from tests.integration.redis_server import RedisServer, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHO = Call(command=("ECHO", "here"), parse=bytes)


async def answers(location: RedisLocation) -> list[bytes]:
    async with Link(location) as link, BlockingLink(location) as blocking:
        with SyncLink(location) as thread:
            return [await link.run(WHO), await blocking.run(WHO, block=0), thread.run(WHO)]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return tls.certificate(tmp_path)


@pytest.fixture
def tls_port(tmp_path: Path, certificate: Path) -> Iterator[int]:
    port = free_port()
    server = RedisServer(tmp_path / "redis", *tls.tls_options(certificate, port))
    server.start()
    yield port
    server.stop()


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    server = RedisServer(tmp_path / "redis", "--unixsocket", str(path))
    server.start()
    try:
        assert await answers(RedisLocation.parse(f"unix://{path}?db=3")) == [b"here"] * 3
    finally:
        server.stop()


async def test_tls_with_a_known_authority(tls_port: int, certificate: Path) -> None:
    url = f"rediss://127.0.0.1:{tls_port}/1?ssl_ca_certs={certificate}"
    assert await answers(RedisLocation.parse(url)) == [b"here"] * 3


async def test_certificates_that_a_pod_is_told_of(tmp_path: Path, certificate: Path) -> None:
    """As the operator sets them; the server asks its clients for one."""
    port = free_port()
    options = ["yes" if each == "no" else each for each in tls.tls_options(certificate, port)]
    server = RedisServer(tmp_path / "redis", *options)
    server.start()
    environment = {
        "REDIS_URL": f"rediss://127.0.0.1:{port}",
        "REDIS_TLS_CA_FILE": str(certificate),
        "REDIS_TLS_CERT_FILE": str(certificate),
        "REDIS_TLS_KEY_FILE": str(certificate.with_suffix(".key")),
    }
    try:
        assert await answers(redis_from_environment(environment)()) == [b"here"] * 3
    finally:
        server.stop()


async def test_tls_with_an_unknown_authority_is_not_trusted(tls_port: int) -> None:
    location = RedisLocation.parse(f"rediss://127.0.0.1:{tls_port}")
    with SyncLink(location) as thread, pytest.raises(ConnectionLost, match="certificate verify failed"):
        thread.run(WHO)
    async with Link(location, timeout=1) as link:
        with pytest.raises(ConnectionLost, match="certificate verify failed"):
            await link.run(WHO)


async def test_an_acl_user(own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as client:
        # Not even PING and CLIENT, which we send on connecting, are needed.
        client.acl_setuser("app", enabled=True, passwords=["+p@ss:w/rd"], commands=["+echo"], keys=["*"])
    url = f"redis://app:p%40ss%3Aw%2Frd@127.0.0.1:{own_redis.port}"
    assert await answers(RedisLocation.parse(url)) == [b"here"] * 3
