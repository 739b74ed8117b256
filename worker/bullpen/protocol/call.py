"""One Redis operation as a value: what to send and how to understand the reply."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen.protocol.scripts import Script

T = TypeVar("T")

Argument = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A command for any connection that returns raw RESP2 replies (bytes, ints, lists).

    With a script, `command` is its one key followed by its arguments; `wire` adds EVALSHA's head.
    `parse` raises the errors of `bullpen.errors` for negative replies (§1.8).
    """

    command: tuple[Argument, ...]
    parse: Callable[[Any], T]
    script: Script | None = None

    @property
    def wire(self) -> tuple[Argument, ...]:
        """The whole command as it is sent."""
        return self.command if self.script is None else ("EVALSHA", self.script.sha1, 1, *self.command)

    @property
    def escaped(self) -> tuple[Argument, ...]:
        """`wire` where some text is none that UTF-8 can say: ids read by `job_id` as the bytes they were."""
        return tuple(_escaped(part) if isinstance(part, str) else part for part in self.wire)

    @property
    def title(self) -> str:
        """What to call this operation in an error message, with the key it is about; never holds job data."""
        if self.script is not None:
            return f"script {self.script.name}"
        keys = (part for part in self.command[1:] if isinstance(part, str) and ":" in part)
        return " ".join([str(self.command[0]), *itertools.islice(keys, 1)])


def as_it_came(reply: Any) -> Any:
    """For a reply that is understood elsewhere."""
    return reply


def nothing(_reply: object) -> None:
    """For a reply that says no more than that it was done."""


def job_id(stored: bytes) -> str:
    """An id as Redis gave it. Any bytes may be one: those that are no UTF-8 survive as lone surrogates (PEP 383)."""
    return stored.decode(errors="surrogateescape")


def _escaped(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace")
