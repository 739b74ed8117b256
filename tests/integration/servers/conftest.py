from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

import pytest

from tests.integration.redis_server import RedisServer, programs
from tests.integration.servers.cluster import Cluster
from tests.integration.servers.council import standing

CLUSTERED = ("installed", "redis-8.2", "valkey-9.1")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.servers.council import Council


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    """Sentinels, master and replica of the test's own."""
    with standing(tmp_path) as made:
        yield made


# The oldest, and the newest of each kind.
@pytest.fixture(scope="module", params=[each for each in programs().items() if each[0] in CLUSTERED], ids=itemgetter(0))
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three masters; each test uses queues of its own."""
    name, program = request.param
    made = Cluster(tmp_path_factory.mktemp(name), program=program)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(params=programs().items(), ids=itemgetter(0))
def persistent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    """Every version, each write on disk before it is acknowledged, so that a server that is killed forgets nothing."""
    name, program = request.param
    server = RedisServer(tmp_path / name, "--appendonly", "yes", "--appendfsync", "always", program=program)
    server.start()
    yield server
    server.stop()
