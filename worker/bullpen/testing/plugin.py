"""Fixtures for pytest, there as soon as Bullpen is installed: they import the rest of it when a test asks for one."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from bullpen.testing import JobRun, RunningWorker
    from bullpen.testing.stage import App
    from bullpen.testing.sync import RunningWorker as BlockingWorker

OPTION = "bullpen_app"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(OPTION, "The app that the Bullpen fixtures use, as module:attribute", default="")


@pytest.fixture
def bullpen_app(pytestconfig: pytest.Config) -> App:
    """The app under test: what `bullpen_app = module:attribute` in pytest's configuration names; or override it."""
    from bullpen.cli.loading import load_app
    from bullpen.errors import ConfigurationError

    target = pytestconfig.getini(OPTION)
    if not target:
        raise pytest.UsageError(
            f'no app: set {OPTION} = "module:attribute" in the configuration of pytest, or define a fixture {OPTION}'
        )
    try:
        return load_app(target)
    except ConfigurationError as error:
        raise pytest.UsageError(f"{OPTION}: {error}") from error


@pytest.fixture
def job_runner() -> Callable[..., JobRun]:
    """`bullpen.testing.sync.run_job`: runs one job function alone, and blocks until it has ended."""
    from bullpen.testing.sync import run_job

    return run_job


@pytest.fixture
def bullpen_sync_worker(bullpen_app: App) -> Iterator[BlockingWorker]:
    """The worker of `bullpen_app`, for tests without an event loop."""
    from bullpen.testing.sync import worker

    with worker(bullpen_app) as running:
        yield running


if find_spec("pytest_asyncio") is not None:
    import pytest_asyncio

    @pytest_asyncio.fixture(loop_scope="function")
    async def bullpen_worker(bullpen_app: App) -> AsyncIterator[RunningWorker]:
        """The worker of `bullpen_app`, on the event loop of the test."""
        from bullpen.testing import worker

        async with worker(bullpen_app) as running:
            yield running

else:

    @pytest.fixture
    def bullpen_worker() -> Any:
        """Says what is missing."""
        raise pytest.UsageError("bullpen_worker needs pytest-asyncio: install it, or use bullpen_sync_worker")
