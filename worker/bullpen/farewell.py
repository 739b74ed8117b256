"""How a connection of redis-py is ended, whoever opened it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection


async def hang_up(connection: AbstractConnection | None) -> None:
    """Ends a connection, if there is one, within a few turns of the loop.

    Nobody waits for anything on it any more. A TLS farewell would need the server's answer, and a loop that is closed
    before that leaves the socket open.
    """
    if connection is None:
        return
    writer = connection._writer  # noqa: SLF001 - redis-py has no public name for it
    if writer is not None:
        writer.transport.abort()
    with suppress(RedisError, OSError):  # it is gone either way
        await connection.disconnect()
