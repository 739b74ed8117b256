"""Opening connections, and saying in our own errors what went wrong on them."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from bullpen.client.transports import blocking_transport, cancellable, nonblocking_transport
from bullpen.errors import BullpenError, ConfigurationError, ConnectionLost, ProtocolError
from bullpen.farewell import hang_up

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

    from bullpen.client.route import Route
    from bullpen.protocol.location import RedisLocation

# The server is there but cannot take the command now; it has not run it.
_NOT_NOW = frozenset(
    {"ASK", "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MOVED", "NOREPLICAS", "READONLY", "TRYAGAIN", "UNBLOCKED"}
)
_NOT_ALLOWED = frozenset({"NOAUTH", "NOPERM", "WRONGPASS"})


# Where in a script it failed: nothing that a reader of the message could use.
_PLACE = re.compile(r" script: [0-9a-f]{40}, on @user_script:\d+\.?$")
# The name is part of the URL's login, which is nobody's to read.
_USER = re.compile(r"\bUser \S+(?= has no permissions)")


async def dial(route: Route, *, name: str | None) -> tuple[RedisLocation, AbstractConnection]:
    """A connected, authenticated connection to where the route leads now.

    Raises ConnectionLost (nothing sent) when the server cannot be reached or is not ready, ConfigurationError when
    it refuses the login or the database.
    """
    with cancellable():
        target = await route.find()
    location = target.location
    kind, arguments = nonblocking_transport(location, name=name)
    connection = kind(**arguments)
    try:
        with cancellable():
            await connection.connect()
            for command in greeting(elected=target.elected):
                with suppress(NoPermissionError):  # an ACL without it: the login worked, and a replica refuses writes
                    await connection.send_command(command)
                    check(command, await connection.read_response(), location)
    except BullpenError:
        await hang_up(connection)
        raise
    except (RedisError, OSError) as error:
        await hang_up(connection)
        raise unreachable(error, location) from error
    except BaseException:
        await hang_up(connection)
        raise
    return location, connection


def dial_blocking(route: Route, *, name: str | None, timeout: float) -> tuple[RedisLocation, Any]:
    """The same for a thread: redis-py's blocking connection, each read bounded by `timeout` seconds."""
    target = route.find_blocking()
    location = target.location
    kind, arguments = blocking_transport(location, name=name, timeout=timeout)
    connection = kind(**arguments)
    try:
        connection.connect()
        for command in greeting(elected=target.elected):
            with suppress(NoPermissionError):  # as above
                connection.send_command(command)
                check(command, connection.read_response(), location)
    except BullpenError:
        connection.disconnect()
        raise
    except (RedisError, OSError) as error:
        connection.disconnect()
        raise unreachable(error, location) from error
    return location, connection


def greeting(*, elected: bool) -> tuple[str, ...]:
    """What a new connection is asked first: NOAUTH and LOADING show at the first command only."""
    return ("PING", "ROLE") if elected else ("PING",)


def check(command: str, reply: Any, location: RedisLocation) -> None:
    """Sentinels may name a server that is no master any more, or not yet. Raises ConnectionLost."""
    if command == "ROLE" and reply[0] != b"master":
        raise ConnectionLost(f"Redis at {location} is no master yet, though the sentinels name it", sent=False)


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
    text = _PLACE.sub("", _USER.sub("the user", text))
    where = f"Redis at {location}"
    if code == "MOVED" and location is not None and not location.cluster:
        return ConfigurationError(f"{where} is a node of a cluster: add ?cluster=true to the Redis URL")
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
