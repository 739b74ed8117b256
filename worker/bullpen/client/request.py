"""A command on its way over a multiplexed connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import hiredis

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from bullpen.errors import BullpenError
    from bullpen.protocol.call import Argument, Call
    from bullpen.protocol.scripts import Script

# The stub of hiredis takes tuples of one item only.
pack: Final[Callable[[tuple[Argument, ...]], bytes]] = hiredis.pack_command  # type: ignore[assignment]


def packed(call: Call[Any]) -> bytes:
    """The call as bytes on the wire."""
    try:
        return pack(call.wire)
    except UnicodeEncodeError:
        return pack(call.escaped)


class Request:
    """A command on its way: packed once, answered or failed once. `future` is None for our own SCRIPT LOADs."""

    __slots__ = ("call", "deadline", "future", "repeated", "wire")

    def __init__(self, wire: bytes, call: Call[Any], future: asyncio.Future[Any] | None, deadline: float) -> None:
        self.wire = wire
        self.call = call
        self.future = future
        self.deadline = deadline
        self.repeated = False

    @property
    def script(self) -> Script | None:
        """The script that the command needs."""
        return None if self.future is None else self.call.script

    @property
    def title(self) -> str:
        """What to call it in an error message."""
        return self.call.title if self.future is not None else f"loading the {self.call.title}"

    @property
    def settled(self) -> bool:
        """Nobody waits for it (any more): cancelled, or failed by a deadline."""
        return self.future is None or self.future.done()

    def fail(self, error: BullpenError) -> None:
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)
