"""What a reading says of a queue's workers: the part of the script's reply that holds heartbeats and drain marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen.errors import ProtocolError
from bullpen.protocol.heartbeat import Heartbeat
from bullpen_operator.scaling.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class UnreadableReplyError(Exception):
    """The script answered something that is no reading."""


def workers(reply: Sequence[object]) -> Workers:
    """Elements 21 to 25 of the reply of scripts/reading.lua."""
    server_ms, beats, marks, running, unknown = reply
    if not isinstance(server_ms, int) or not isinstance(unknown, int):
        raise UnreadableReplyError(f"expected numbers, got {[server_ms, unknown]!r:.100}")
    return Workers(
        at=server_ms / 1000,
        beats=dict(_beats(beats)),
        marks={name: left / 1000 for name, left in _numbers(marks)},
        running=None if running is None else dict(_numbers(running)),
        unknown=unknown,
    )


def _beats(reply: object) -> Iterator[tuple[str, Heartbeat]]:
    for name, text in _pairs(reply):
        try:
            yield _text(name), Heartbeat.parse(_text(text))
        except ProtocolError:
            continue  # a worker of which nothing is known: its pod stays as long as it is ready


def _numbers(reply: object) -> Iterator[tuple[str, int]]:
    for name, number in _pairs(reply):
        if not isinstance(number, int):
            raise UnreadableReplyError(f"expected a number, got {number!r:.100}")
        yield _text(name), number


def _pairs(reply: object) -> Iterator[tuple[object, object]]:
    if not isinstance(reply, list) or len(reply) % 2:
        raise UnreadableReplyError(f"expected pairs, got {reply!r:.100}")
    return zip(reply[::2], reply[1::2], strict=True)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, str):
        return value
    raise UnreadableReplyError(f"expected a text, got {value!r:.100}")
