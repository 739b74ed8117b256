from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bullpen.protocol import QueueKeys
from tests.integration.client.desk import Desk

if TYPE_CHECKING:
    import redis

    from bullpen.client.connection import Link


@pytest.fixture
def desk(link: Link, raw: redis.Redis) -> Desk:
    return Desk(link=link, raw=raw, keys=QueueKeys("bull", "videos"))
