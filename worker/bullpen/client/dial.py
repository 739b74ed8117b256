"""Opening connections, and saying in our own errors what went wrong on them."""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import redis.connection as blocking
from redis.asyncio import connection as nonblocking
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.retry import Retry

from bullpen.errors import BullpenError, ConfigurationError, ConnectionLost, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bullpen.client.settings import LocationSource, RedisLocation

CONNECT_SECONDS = 5.0

# The server is there but cannot take the command now; it has not run it.
_NOT_NOW = frozenset({"BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY", "TRYAGAIN"})
_NOT_ALLOWED = frozenset({"NOAUTH", "NOPERM", "WRONGPASS"})


# The name is part of the URL's login, which is nobody's to read.
_USER = re.compile(r"\bUser \S+(?= has no permissions)")


async def dial(source: LocationSource, *, name: str | None) -> tuple[RedisLocation, nonblocking.AbstractConnection]:
    """A connected, authenticated connection to where the source points now.

    Raises ConnectionLost (nothing sent) when the server cannot be reached or is not ready, ConfigurationError when
    it refuses the login or the database.
    """
    location = source()
    connection = _ASYNC[location.scheme](**_arguments(location, name), retry=AsyncRetry(NoBackoff(), 0))
    try:
        with cancellable():
            await connection.connect()
            await connection.send_command("PING")  # NOAUTH and LOADING show at the first command only
            await connection.read_response()
    except NoPermissionError:
        pass  # an ACL without PING: the login worked
    except (RedisError, OSError) as error:
        await hang_up(connection)
        raise unreachable(error, location) from error
    except BaseException:
        await hang_up(connection)
        raise
    return location, connection


async def hang_up(connection: nonblocking.AbstractConnection) -> None:
    """Ends a connection within a few turns of the loop.

    Nobody waits for anything on it any more. A TLS farewell would need the server's answer, and a loop that is closed
    before that leaves the socket open.
    """
    writer = connection._writer  # noqa: SLF001 - redis-py has no public name for it
    if writer is not None:
        writer.transport.abort()
    with suppress(RedisError, OSError):  # it is gone either way
        await connection.disconnect()


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


def dial_blocking(source: LocationSource, *, name: str | None, timeout: float) -> tuple[RedisLocation, Any]:
    """The same for a thread: redis-py's blocking connection, each read bounded by `timeout` seconds."""
    location = source()
    arguments = _arguments(location, name) | {"socket_timeout": timeout}
    connection = _BLOCKING[location.scheme](**arguments, retry=Retry(NoBackoff(), 0))
    try:
        connection.connect()
        connection.send_command("PING")
        connection.read_response()
    except NoPermissionError:
        pass  # as above
    except (RedisError, OSError) as error:
        connection.disconnect()
        raise unreachable(error, location) from error
    return location, connection


def unreachable(error: Exception, location: RedisLocation) -> BullpenError:
    """What a failed attempt to connect means."""
    if isinstance(error, AuthenticationError):
        return ConfigurationError(
            f"Redis at {location} refused the login: check user name and password of the Redis URL"
        )
    if isinstance(error, ResponseError):
        return refusal(coded(error), title="the connection", location=location)
    return ConnectionLost(f"cannot reach Redis at {location}: {error}", sent=False)


def refusal(text: str, *, title: str, location: RedisLocation | None) -> BullpenError:
    """What an error reply to a command means; its first word is the code."""
    code = text.partition(" ")[0]
    text = _USER.sub("the user", text)
    where = f"Redis at {location}"
    if code in _NOT_NOW:
        return ConnectionLost(f"{where} cannot take commands now: {text[:200]}", sent=False)
    if code in _NOT_ALLOWED:
        return ConfigurationError(f"{where} does not allow {title}: {text[:200]}; check the user's permissions")
    if text.startswith("ERR DB index"):
        return ConfigurationError(f"{where} has no such database: {text[:200]}; check the number in the Redis URL")
    return ProtocolError(f"{where} refused {title}: {text[:200]}")


def coded(error: ResponseError) -> str:
    """An error reply as it was sent; redis-py takes the code off the text of the replies it knows."""
    code = getattr(error, "status_code", None)
    text = str(error)
    return text if not code or text.startswith(str(code)) else f"{code} {text}"


def _arguments(location: RedisLocation, name: str | None) -> dict[str, Any]:
    # RESP2: hashes as flat lists, no pushed messages; what BullMQ's own clients speak.
    return location.arguments | {
        "client_name": name,
        "protocol": 2,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": CONNECT_SECONDS,
    }


_ASYNC: dict[str, Any] = {
    "redis": nonblocking.Connection,
    "rediss": nonblocking.SSLConnection,
    "unix": nonblocking.UnixDomainSocketConnection,
}
_BLOCKING: dict[str, Any] = {
    "redis": blocking.Connection,
    "rediss": blocking.SSLConnection,
    "unix": blocking.UnixDomainSocketConnection,
}
