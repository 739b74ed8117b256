"""Webhooks that answered 410 Gone: `<prefix>:<queue>.webhooks:bullpen:gone`, a sorted set of URLs by the ms of it.

Standard Webhooks: whoever sends should disable such an endpoint and stop sending. Whoever ends a job adds no delivery
for one of them, and looks in the same atomic step (`calls.work.Addition`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bullpen.protocol.call import Call
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen.protocol.keys import QueueKeys

MOST_URLS: Final = 10_000
"""As many are kept, the newest: jobs bring URLs of their own, and anybody may answer 410."""


def disable(keys: QueueKeys, *, url: str, now: int) -> Call[bool]:
    """Tell this URL nothing more; `now` in epoch ms. False when it was disabled already, which stays as it is."""
    return Call(command=(keys.base, url, now, MOST_URLS), parse=bool, script=load("disable"))


def enable(keys: QueueKeys, *, url: str) -> Call[bool]:
    """Tell this URL again; False when it was not disabled."""
    return Call(command=("ZREM", keys.gone, url), parse=bool)


def since(keys: QueueKeys, *, url: str) -> Call[float | None]:
    """Epoch seconds of its 410, None when it is to be told."""
    return Call(command=("ZSCORE", keys.gone, url), parse=_seconds)


def disabled(keys: QueueKeys) -> Call[Mapping[str, float]]:
    """All of them with the epoch seconds of their 410, the oldest first."""
    return Call(command=("ZRANGE", keys.gone, 0, -1, "WITHSCORES"), parse=_by_url)


def _seconds(reply: bytes | None) -> float | None:
    return None if reply is None else float(reply) / 1000


def _by_url(reply: list[bytes]) -> Mapping[str, float]:
    parts = iter(reply)
    return {url.decode(errors="replace"): float(ms) / 1000 for url, ms in zip(parts, parts, strict=True)}
