"""The clock that counts: the server's, by which events, locks and heartbeats are stamped."""

from __future__ import annotations

from bullpen.protocol.call import Call


def now() -> Call[int]:
    """Epoch ms."""
    return Call(command=("TIME",), parse=_milliseconds)


def _milliseconds(reply: list[bytes]) -> int:
    return int(reply[0]) * 1000 + int(reply[1]) // 1000
