"""Everything one Redis database holds, read as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `value` in the natural Python shape of its type, `pttl` in ms or None without an expiry."""

    type: str
    value: Any
    pttl: int | None


async def dump(redis: Redis) -> dict[str, Key]:
    """Return every key of the database with its full content.

    Lists keep their order from left to right, sorted sets are (member, score) from low to high, streams are the
    entries' (field, value) pairs in order without their ids: those are the server's clock.
    """
    names = sorted([name async for name in redis.scan_iter(count=10_000)])
    if not names:
        return {}
    types = redis.pipeline(transaction=False)
    for name in names:
        types.type(name)
        types.pttl(name)
    answers = await types.execute()
    kinds, expiries = answers[0::2], answers[1::2]
    contents = redis.pipeline(transaction=False)
    for name, kind in zip(names, kinds, strict=True):
        match kind:
            case "string":
                contents.get(name)
            case "list":
                contents.lrange(name, 0, -1)
            case "set":
                contents.smembers(name)
            case "zset":
                contents.zrange(name, 0, -1, withscores=True)
            case "hash":
                contents.hgetall(name)
            case "stream":
                contents.xrange(name)
            case _:
                raise TypeError(f"key {name} has type {kind}, which this dump cannot read; teach it")
    values = await contents.execute()
    return {
        name: Key(kind, _plain(kind, value), expiry if expiry >= 0 else None)
        for name, kind, value, expiry in zip(names, kinds, values, expiries, strict=True)
    }


def _plain(kind: str, value: Any) -> Any:
    match kind:
        case "set":
            return sorted(value)
        case "zset":
            return [(member, score) for member, score in value]
        case "stream":
            # The order of an entry's fields is part of the comparison; redis-py keeps it in its dicts.
            return [list(fields.items()) for _, fields in value]
        case _:
            return value


def strip_prefix(content: Mapping[str, Key], prefix: str) -> dict[str, Key]:
    """Name each key of one queue by what follows `prefix`; keys of others keep their whole name."""
    return {name.removeprefix(prefix): key for name, key in content.items()}
