"""redis-py's connections for each kind of URL, and what all of ours have in common."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import redis.connection as blocking
from redis.asyncio import connection as nonblocking
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bullpen.protocol.location import RedisLocation

CONNECT_SECONDS: Final = 5.0

_ASYNC: Final[dict[str, Any]] = {
    "redis": nonblocking.Connection,
    "rediss": nonblocking.SSLConnection,
    "unix": nonblocking.UnixDomainSocketConnection,
}
_BLOCKING: Final[dict[str, Any]] = {
    "redis": blocking.Connection,
    "rediss": blocking.SSLConnection,
    "unix": blocking.UnixDomainSocketConnection,
}


def nonblocking_transport(
    location: RedisLocation, *, name: str | None = None, timeout: float = CONNECT_SECONDS
) -> tuple[Any, dict[str, Any]]:
    """The connection class for an event loop, and its arguments. `timeout` (seconds) is for connecting too."""
    return _ASYNC[location.scheme], {
        **_arguments(location, name, connect=min(timeout, CONNECT_SECONDS), timeout=timeout),
        "retry": AsyncRetry(NoBackoff(), 0),
    }


def blocking_transport(
    location: RedisLocation, *, name: str | None = None, timeout: float = CONNECT_SECONDS
) -> tuple[Any, dict[str, Any]]:
    """The same for a thread; each read is bounded by `timeout` seconds."""
    return _BLOCKING[location.scheme], {
        **_arguments(location, name, connect=CONNECT_SECONDS, timeout=timeout),
        "retry": Retry(NoBackoff(), 0),
    }


@contextmanager
def cancellable() -> Iterator[None]:
    """Makes up for redis-py's sends, which may swallow a cancellation: they use asyncio's wait_for, and that of
    Python 3.11 returns a result that is there already instead (python/cpython#86296)."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - connections are opened and used by tasks
    before = task.cancelling()
    try:
        yield
    finally:  # also over an error: whoever retries those must not go on after being told to end
        if task.cancelling() > before:
            raise asyncio.CancelledError


def _arguments(location: RedisLocation, name: str | None, *, connect: float, timeout: float) -> dict[str, Any]:
    # RESP2: hashes as flat lists, no pushed messages; what BullMQ's own clients speak.
    return location.arguments | {
        "client_name": name,
        "protocol": 2,
        "socket_connect_timeout": connect,
        "socket_timeout": timeout,
    }
