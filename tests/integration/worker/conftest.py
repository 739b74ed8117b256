from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bullpen import App

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def app(redis_url: str) -> AsyncIterator[App]:
    """An app on the test's database."""
    async with App(redis=redis_url) as opened:
        yield opened
