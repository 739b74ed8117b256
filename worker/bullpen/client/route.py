"""Which server a link talks to: asked anew at every attempt to connect, of whoever knows.

One server is its own answer. Behind Sentinel the sentinels name the master, and the server must say that it is one. In
a cluster it is the master of the slot that holds the queue's keys. redis-py does the asking and reads the answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis
from redis.asyncio import ConnectionPool as AsyncConnectionPool
from redis.asyncio import Redis as AsyncRedis
from redis.cluster import parse_cluster_slots
from redis.exceptions import AuthenticationError, MovedError, NoPermissionError, RedisError, ResponseError

from bullpen.client.election import ASK_SECONDS, elected, elected_blocking
from bullpen.client.transports import blocking_transport, nonblocking_transport
from bullpen.errors import BullpenError, ConfigurationError, ConnectionLost
from bullpen.protocol.location import LocationSource, RedisLocation
from bullpen.protocol.slots import slot_of

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.location import Address


@dataclass(frozen=True, slots=True)
class Target:
    """The server to connect to now. `elected`: it must still be a master when it is asked."""

    location: RedisLocation
    elected: bool = False


class Route:
    """Finds the server for one link; `queue` says whose keys the link is for, which a cluster needs to know."""

    def __init__(self, location: RedisLocation | LocationSource, *, queue: QueueKeys | None = None) -> None:
        self._source: LocationSource = (lambda: location) if isinstance(location, RedisLocation) else location
        self._queue = queue
        self._nodes: tuple[Address, ...] = ()
        self._moved_to: Address | None = None
        self.council: RedisLocation | None = None
        """The sentinels that named the last server found, None where there are none."""

    def moved(self, reply: str, *, by: RedisLocation | None) -> None:
        """A `MOVED <slot> <host>:<port>` reply: whom to ask next, since other nodes may not know yet."""
        host, _, port = reply.split(" ")[-1].rpartition(":")
        host = host or (by.host if by is not None else "")
        self._moved_to = (host, int(port)) if host and port.isdecimal() else None

    def heard(self, refused: ResponseError, *, by: RedisLocation | None) -> None:
        """The same for a refusal as redis-py raises it; others than MOVED tell nothing."""
        if isinstance(refused, MovedError):
            self.moved(str(refused), by=by)

    async def find(self) -> Target:
        """Raises ConnectionLost while nobody knows, ConfigurationError for what waiting does not mend."""
        location = self._source()
        self.council = location if location.sentinels else None
        if location.sentinels:
            return Target(location.at(await elected(location)), elected=True)
        if not location.seeds:
            return Target(location)
        slot = self._slot(location)
        if (known := self._take_moved()) is not None:
            return Target(location.at(known))
        failure: Exception | None = None
        for node in self._ask_in_turn(location):
            kind, arguments = nonblocking_transport(location.at(node), timeout=ASK_SECONDS)
            pool: Any = AsyncConnectionPool(connection_class=kind, max_connections=1, **arguments)
            try:
                client: Any
                async with AsyncRedis.from_pool(pool) as client:
                    return Target(location.at(self._master(await client.execute_command("CLUSTER SLOTS"), node, slot)))
            except (RedisError, OSError, ConnectionLost) as error:
                failure = error
        raise _nobody_knows(location, failure) from failure

    def find_blocking(self) -> Target:
        """The same for a thread."""
        location = self._source()
        self.council = location if location.sentinels else None
        if location.sentinels:
            return Target(location.at(elected_blocking(location)), elected=True)
        if not location.seeds:
            return Target(location)
        slot = self._slot(location)
        if (known := self._take_moved()) is not None:
            return Target(location.at(known))
        failure: Exception | None = None
        for node in self._ask_in_turn(location):
            kind, arguments = blocking_transport(location.at(node), timeout=ASK_SECONDS)
            pool: Any = redis.ConnectionPool(connection_class=kind, max_connections=1, **arguments)
            try:
                with redis.Redis.from_pool(pool) as client:
                    return Target(location.at(self._master(client.execute_command("CLUSTER SLOTS"), node, slot)))
            except (RedisError, OSError, ConnectionLost) as error:
                failure = error
        raise _nobody_knows(location, failure) from failure

    def _slot(self, location: RedisLocation) -> int:
        if self._queue is None:
            raise ConfigurationError(f"Redis at {location} is a cluster: open the link for a queue")
        return slot_of(self._queue)

    def _take_moved(self) -> Address | None:
        moved_to, self._moved_to = self._moved_to, None
        return moved_to

    def _ask_in_turn(self, location: RedisLocation) -> list[Address]:
        """The nodes of the URL, then those that the cluster named: the former may all be gone some day."""
        return list(dict.fromkeys((*location.seeds, *self._nodes)))

    def _master(self, reply: Any, asked: Address, slot: int) -> Address:
        masters = {
            span: (str(entry["primary"][0]), int(entry["primary"][1]))
            for span, entry in parse_cluster_slots(reply, current_host=asked[0]).items()
        }
        self._nodes = tuple(dict.fromkeys(masters.values()))
        for (first, last), address in masters.items():
            if first <= slot <= last:
                return address
        raise ConnectionLost(f"no node of the cluster serves slot {slot} now", sent=False)


def _nobody_knows(location: RedisLocation, error: Exception | None) -> BullpenError:
    if isinstance(error, AuthenticationError):
        return ConfigurationError(
            f"Redis at {location} refused the login: check user name and password of the Redis URL"
        )
    if isinstance(error, NoPermissionError):
        return ConfigurationError(f"Redis at {location} does not allow CLUSTER SLOTS: check the user's permissions")
    if isinstance(error, ResponseError) and "cluster support disabled" in str(error):
        return ConfigurationError(f"Redis at {location} is no cluster: leave cluster=true out of the URL")
    return ConnectionLost(f"no node of the cluster {location} could tell the way: {error}", sent=False)
