"""What the sentinels of a master say: where it is, and that it has changed. redis-py does the asking."""

from __future__ import annotations

import asyncio
import itertools
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import redis
from redis.asyncio import ConnectionPool as AsyncConnectionPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.sentinel import Sentinel

from bullpen.client.pauses import Pauses
from bullpen.client.transports import blocking_transport, cancellable, nonblocking_transport
from bullpen.errors import BullpenError, ConfigurationError, ConnectionLost
from bullpen.farewell import hang_up

if TYPE_CHECKING:
    from bullpen.protocol.location import Address, RedisLocation

# Of a sentinel or a cluster node that is asked in passing: the next one may answer at once.
ASK_SECONDS = 1.0
# How long one sentinel is listened to before the next: one that is cut off would stay silent for ever.
LISTEN_SECONDS = 15.0
_SWITCH = b"+switch-master"


async def elected(location: RedisLocation) -> Address:
    """The master that the sentinels name. Raises ConnectionLost, or ConfigurationError for a refused login."""
    council: Any = AsyncSentinel([])  # type: ignore[no-untyped-call]
    try:
        for address in location.sentinels:
            kind, arguments = nonblocking_transport(location.sentinel_at(address), timeout=ASK_SECONDS)
            pool: Any = AsyncConnectionPool(connection_class=kind, max_connections=1, **arguments)
            council.sentinels.append(AsyncRedis.from_pool(pool))
        host, port = await council.discover_master(location.master)
    except (RedisError, OSError) as error:
        raise _no_master(location, error) from error
    finally:
        for sentinel in council.sentinels:
            await sentinel.aclose()
    return str(host), int(port)


def elected_blocking(location: RedisLocation) -> Address:
    """The same for a thread."""
    council: Any = Sentinel([])  # type: ignore[no-untyped-call]
    try:
        for address in location.sentinels:
            kind, arguments = blocking_transport(location.sentinel_at(address), timeout=ASK_SECONDS)
            pool: Any = redis.ConnectionPool(connection_class=kind, max_connections=1, **arguments)
            council.sentinels.append(redis.Redis.from_pool(pool))
        host, port = council.discover_master(location.master)
    except (RedisError, OSError) as error:
        raise _no_master(location, error) from error
    finally:
        for sentinel in council.sentinels:
            sentinel.close()
    return str(host), int(port)


def _no_master(location: RedisLocation, error: Exception) -> BullpenError:
    # redis-py collects what each sentinel said in one text, kinds of error included.
    text = str(error)
    if isinstance(error, AuthenticationError) or any(sign in text for sign in ("Authentication", "NOAUTH", "NOPERM")):
        return ConfigurationError(
            f"the sentinels of {location} refused the login: check sentinel_username and sentinel_password "
            "of the Redis URL, and that this user may run SENTINEL MASTERS"
        )
    if isinstance(error, ResponseError):
        return ConfigurationError(f"what answers at {location} is no sentinel ({text[:100]}): check host and port")
    reached = len(location.sentinels) - text.count("> - ")
    return ConnectionLost(
        f"the sentinels of {location} name no master {location.master!r} that is up "
        f"({reached} of {len(location.sentinels)} answered)",
        sent=False,
    )


async def switched(location: RedisLocation, *, away_from: Address) -> None:
    """Returns when the sentinels name another master; raises nothing, and goes on as long as none of them answers.

    A master that is alive when another is elected learns that some 8 s later (Sentinel's own delay), and all that is
    written to it meanwhile is lost. A frozen one never tells.
    """
    pauses = Pauses()
    for turn, address in enumerate(itertools.cycle(location.sentinels)):
        try:
            # The first time the master has just been asked for. Later there may have been news while nobody listened.
            if turn:
                with cancellable():
                    there = await elected(location)
                if there != away_from:
                    return
            if await _heard_of_switch(location, address, away_from):
                return
            pauses.reset()
        except (RedisError, OSError, BullpenError):
            await asyncio.sleep(pauses.next())


async def _heard_of_switch(location: RedisLocation, sentinel: Address, away_from: Address) -> bool:
    kind, arguments = nonblocking_transport(location.sentinel_at(sentinel), timeout=ASK_SECONDS)
    connection = kind(**arguments)
    try:
        with cancellable():
            await connection.connect()
            await connection.send_command("SUBSCRIBE", _SWITCH)
        with suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_SECONDS):
                while True:
                    message = await connection.read_response(timeout=math.inf)
                    if _names_another(message, location.master, away_from):
                        return True
        return False
    finally:
        await hang_up(connection)


def _names_another(message: Any, master: str, away_from: Address) -> bool:
    """Of `message +switch-master "<name> <old host> <old port> <new host> <new port>"`."""
    if not (isinstance(message, list) and message[0] == b"message"):
        return False
    name, *_old, host, port = message[2].decode(errors="replace").split(" ")
    return bool(name == master and (host, int(port)) != away_from)
