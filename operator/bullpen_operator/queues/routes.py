"""Which server to ask: the one of the URL, the master that sentinels name, or the nodes of a cluster."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from redis.cluster import parse_cluster_slots
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, RedisError, ResponseError

from bullpen.farewell import hang_up
from bullpen_operator.api.reasons import Reason
from bullpen_operator.queues.dial import dial

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis.asyncio.connection import Connection

    from bullpen.protocol.location import Address, RedisLocation
    from bullpen_operator.queues.location import Location

ASK_SECONDS = 1.0
"""Of a sentinel or a node that is asked the way: the next one may answer at once."""


class NoRouteError(Exception):
    """Nobody could tell the way; the text goes on after "Redis <location>". Caused by what the last one asked said."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def elected(location: Location) -> RedisLocation:
    """The master that the sentinels name. Raises NoRouteError, and what `dial` raises for certificates."""
    redis = location.redis
    answered, last = 0, None
    for address in redis.sentinels:
        try:
            masters = await _asked(redis.sentinel_at(address), location, "SENTINEL", "MASTERS")
        except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
            raise NoRouteError(
                Reason.AUTHENTICATION_FAILED,
                "has sentinels that refuse the login: check sentinel_username and sentinel_password of the URL, "
                "and that this user may run SENTINEL MASTERS",
            ) from error
        except ResponseError as error:
            raise NoRouteError(Reason.BAD_URL, "names what is no sentinel: check hosts and ports") from error
        except (RedisError, OSError) as error:
            last = error
            continue
        answered += 1
        for state in (_texts(each) for each in masters):
            if state["name"] == redis.master and not {"s_down", "o_down", "disconnected"} & set(
                state["flags"].split(",")
            ):
                return location.at((state["ip"], int(state["port"])))
    raise NoRouteError(
        Reason.UNREACHABLE,
        f"has no master {redis.master!r} that is up ({answered} of {len(redis.sentinels)} sentinels answered): "
        "check that name, and that master and sentinels run",
    ) from last


class Nodes:
    """Who serves which slots of a cluster, as one of its nodes told last."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._spans: dict[tuple[int, int], Address] = {}
        self._current = False
        self._teller: Address | None = None

    @property
    def masters(self) -> set[Address]:
        return set(self._spans.values())

    def known(self, slot: int) -> Address | None:
        """The master of the slot, None while nobody serves it."""
        return next((address for (first, last), address in self._spans.items() if first <= slot <= last), None)

    def forget(self) -> None:
        """What is known may be wrong: ask before the next use."""
        self._current = False

    async def serving(self, slots: Iterable[int]) -> dict[int, Address | None]:
        """The master of each slot. Raises NoRouteError, and what `dial` raises for certificates."""
        if not self._current:
            self._spans = await self._ask()
            self._current = True
        return {slot: self.known(slot) for slot in slots}

    async def _ask(self) -> dict[tuple[int, int], Address]:
        """Who told last time, the nodes of the URL, then those that the cluster named: the former may all be gone."""
        location = self._location
        tellers, self._teller = (self._teller,) if self._teller is not None else (), None
        last: Exception | None = None
        for address in dict.fromkeys((*tellers, *location.redis.seeds, *self._spans.values())):
            try:
                reply = await _asked(location.at(address), location, "CLUSTER", "SLOTS")
                self._teller = address
                return {
                    span: (str(entry["primary"][0]), int(entry["primary"][1]))
                    for span, entry in parse_cluster_slots(reply, current_host=address[0]).items()
                }
            except NoPermissionError as error:
                raise NoRouteError(
                    Reason.PERMISSION_DENIED,
                    "does not let the operator ask for its slots: its user needs +cluster|slots",
                ) from error
            except (AuthenticationError, AuthorizationError) as error:
                raise NoRouteError(
                    Reason.AUTHENTICATION_FAILED, "refuses the user or the password: check the URL's credentials"
                ) from error
            except ResponseError as error:
                if "cluster support disabled" in str(error):
                    raise NoRouteError(
                        Reason.BAD_URL, "is no cluster: leave redis.cluster and cluster=true in the URL out"
                    ) from error
                last = error
            except (RedisError, OSError) as error:
                last = error
        raise NoRouteError(
            Reason.UNREACHABLE, "has no node that answers: check the addresses, and that the cluster runs"
        ) from last


async def _asked(redis: RedisLocation, location: Location, *command: str) -> Any:
    """One command on a connection of its own."""
    connection: Connection | None = None
    try:
        async with asyncio.timeout(ASK_SECONDS):
            connection = await dial(redis, location.certificates, timeout=ASK_SECONDS)
            await connection.send_packed_command(connection.pack_command(*command), check_health=False)
            return await connection.read_response()
    finally:
        await hang_up(connection)


def _texts(pairs: Sequence[bytes]) -> dict[str, str]:
    words = [word.decode(errors="replace") for word in pairs]
    return dict(zip(words[::2], words[1::2], strict=True))
