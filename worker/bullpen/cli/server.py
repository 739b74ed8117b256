"""What `bullpen check` asks of a Redis, and what it makes of the answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bullpen.client.blocking import BlockingLink
from bullpen.client.transports import CONNECT_SECONDS
from bullpen.errors import ConfigurationError
from bullpen.protocol.call import Call
from bullpen.protocol.calls import clients, clock, discover, look, read, rights
from bullpen.protocol.heartbeat import read_beats
from bullpen.protocol.keys import QueueKeys
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bullpen.protocol.location import LocationSource, RedisLocation

OLDEST: Final = (7, 0)
"""Compatible versions below are not tested (docs/redis.md)."""
SAFE_POLICY: Final = "noeviction"
_INFO: Final = Call(command=("INFO",), parse=lambda reply: reply.decode(errors="replace"))
# A connection for one call at a time loads no scripts by itself.
_LOAD: Final[tuple[Call[Any], ...]] = tuple(
    Call(command=("SCRIPT", "LOAD", load(name).text), parse=bool) for name in ("counts", "denied")
)
_PING: Final = Call(command=("PING",), parse=bool)


@dataclass(frozen=True, slots=True)
class Server:
    """`software` is its name and version, `policy` its maxmemory-policy; both "" when it does not tell."""

    location: str
    software: str
    policy: str
    mistakes: tuple[str, ...]
    warnings: tuple[str, ...]

    def fields(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "location": self.location,
            "software": self.software,
            "maxmemoryPolicy": self.policy or None,
            "warnings": list(self.warnings),
        }


async def ask(source: LocationSource, *, prefix: str, queues: Sequence[str]) -> Server:
    """Raises ConnectionLost, and ConfigurationError when the login is refused."""
    location = source()
    keys = [QueueKeys(prefix, name) for name in queues] or [QueueKeys(prefix, "{bullpen}")]
    mistakes: list[str] = []
    warnings: list[str] = []
    async with BlockingLink(source, queue=keys[0]) as link:
        await link.run(discover.known(keys[0]), block=CONNECT_SECONDS)
        for needed in (*_LOAD, clock.now(), *(call for each in keys for call in _what_workers_ask(each))):
            await _allowed(link, needed, mistakes)
        for each in keys:
            if not mistakes:  # else what is asked is refused itself
                mistakes += await _denied(link, each, location)
        await _allowed(link, _PING, warnings)
        await _allowed(link, clients.workers(keys[0]), warnings)
        info = await _info(link)
    software, version = _software(info)
    policy = _line(info, "maxmemory_policy")
    if version and version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        warnings.append(
            f"Redis at {location} is {software}, and Redis {oldest} is the oldest tested; upgrade the server"
        )
    if not info:
        warnings.append(f"Redis at {location} does not tell its version and eviction policy: allow the user INFO")
    elif policy and policy != SAFE_POLICY:
        warnings.append(
            f"Redis at {location} has maxmemory-policy {policy}: when its memory is full it drops jobs or locks; "
            f"set maxmemory-policy {SAFE_POLICY}"
        )
    return Server(str(location), software, policy, tuple(dict.fromkeys(mistakes)), tuple(dict.fromkeys(warnings)))


def _what_workers_ask(keys: QueueKeys) -> tuple[Call[Any], ...]:
    return (read.counts(keys), look.settings(keys), read_beats(keys))


async def _allowed(link: BlockingLink, call: Call[Any], refused: list[str]) -> None:
    try:
        await link.run(call, block=CONNECT_SECONDS)
    except ConfigurationError as error:
        refused.append(str(error))


async def _denied(link: BlockingLink, keys: QueueKeys, location: RedisLocation) -> list[str]:
    """What workers write would fail in the middle of their work."""
    found = await link.run(rights.denied(keys, sorted(rights.commands())), block=CONNECT_SECONDS)
    if not found:
        return []
    where = f"on the keys of queue {keys.queue!r}: check the user's permissions"
    return [f"Redis at {location} does not allow {', '.join(found)} {where}"]


async def _info(link: BlockingLink) -> str:
    try:
        return await link.run(_INFO, block=CONNECT_SECONDS)
    except ConfigurationError:
        return ""  # said by the caller


def _software(info: str) -> tuple[str, tuple[int, ...]]:
    """Valkey says which Redis it is compatible with, too."""
    valkey = _line(info, "valkey_version")
    redis = _line(info, "redis_version")
    shown = f"Valkey {valkey}" if valkey else f"Redis {redis}" if redis else "version unknown"
    return shown, tuple(int(part) for part in re.findall(r"\d+", redis)[:2])


def _line(info: str, name: str) -> str:
    found = re.search(rf"^{name}:(\S+)", info, re.MULTILINE)
    return found[1] if found else ""
