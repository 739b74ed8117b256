from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.servers.cluster import Cluster
from tests.integration.servers.council import Council

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    """Sentinels, master and replica of the test's own."""
    made = Council(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three masters; each test uses queues of its own."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.start()
        yield made
    finally:
        made.stop()
