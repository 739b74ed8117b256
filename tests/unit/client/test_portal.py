"""The event loop in a thread."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from bullpen.client.portal import Portal
from bullpen.errors import ConnectionLost

PATIENCE = 20.0
request: ContextVar[str] = ContextVar("request", default="none")


async def nothing() -> None: ...


@pytest.fixture
def portal() -> Iterator[Portal]:
    opened = Portal(nothing)
    yield opened
    opened.close()


def test_a_coroutine_gives_its_value_its_error_and_sees_the_callers_context(portal: Portal) -> None:
    async def seen() -> tuple[str, str]:
        return request.get(), threading.current_thread().name

    async def wrong() -> None:
        raise KeyError("boom")

    request.set("r1")
    assert portal.run(seen()) == ("r1", "bullpen-sync")
    with pytest.raises(KeyError, match="boom"):
        portal.run(wrong())


def test_callers_do_not_wait_for_each_other(portal: Portal) -> None:
    everybody = asyncio.Barrier(8)

    async def meet(number: int) -> int:
        async with asyncio.timeout(PATIENCE), everybody:
            return number

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda number: portal.run(meet(number)), range(8))) == list(range(8))


def test_closing_ends_calls_that_wait_says_farewell_and_a_later_call_begins_anew() -> None:
    farewells: list[str] = []

    async def farewell() -> None:
        farewells.append(threading.current_thread().name)

    portal, begun = Portal(farewell), threading.Event()

    async def forever() -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lambda: portal.run(forever()))
        assert begun.wait(PATIENCE)
        portal.close()
        with pytest.raises(ConnectionLost, match="the app was closed meanwhile"):
            waiting.result(PATIENCE)
    assert farewells == ["bullpen-sync"]
    portal.close()
    portal.run(nothing())
    portal.close()
    assert farewells == ["bullpen-sync"] * 2


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell starts what it puts in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_control_c_interrupts_the_caller_and_cancels_the_call(portal: Portal) -> None:
    cancelled, caller = threading.Event(), threading.get_ident()

    async def forever() -> None:
        signal.pthread_kill(caller, signal.SIGINT)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()

    with pytest.raises(KeyboardInterrupt):
        portal.run(forever())
    assert cancelled.wait(PATIENCE)
    portal.run(nothing())


def test_a_call_that_would_wait_for_itself_is_refused(portal: Portal) -> None:
    async def within() -> None:
        portal.run(nothing())

    with pytest.raises(RuntimeError, match="use the async API"):
        portal.run(within())
