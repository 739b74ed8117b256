"""One Redis operation as a value: what to send and how to understand the reply."""

from __future__ import annotations

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
    def title(self) -> str:
        """What to call this operation in an error message; never holds job data."""
        return str(self.command[0]) if self.script is None else f"script {self.script.name}"
