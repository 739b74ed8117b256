"""How many jobs a queue gets and ends in a time, by its events: Node's workers and removed jobs count too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from bullpen.protocol import events
from bullpen.protocol.calls import clock
from bullpen.protocol.keys import QueueKeys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bullpen.app import App
    from bullpen.protocol.events import Event

WINDOW_SECONDS: Final = 60.0
# Some hundred kilobytes; a busy queue writes these in a fraction of a second, which is then the window.
MOST_EVENTS: Final = 2000


@dataclass(frozen=True, slots=True)
class Rates:
    """Jobs a second, over the last `seconds`."""

    added: float
    completed: float
    failed: float
    seconds: float

    def fields(self) -> dict[str, float]:
        """For JSON."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


async def server_ms(app: App, queue: str) -> int:
    """The clock of the Redis server, by which events and heartbeats are stamped; epoch ms."""
    return await (await app.link([queue])).run(clock.now())


async def rates(app: App, queue: str, *, window: float = WINDOW_SECONDS) -> Rates:
    """Those of the last `window` seconds, or of as many as the newest events cover."""
    link = await app.link([queue])
    now = await link.run(clock.now())
    since = now - int(window * 1000)
    found = await link.run(events.recent(QueueKeys(app.prefix, queue), since_ms=since, count=MOST_EVENTS))
    return measured(found, now_ms=now, window=window)


def measured(found: Sequence[Event], *, now_ms: int, window: float, most: int = MOST_EVENTS) -> Rates:
    """From events, the newest first; `most` of them mean that there were more."""
    seconds = max((now_ms - found[-1].at_ms) / 1000, 0.001) if len(found) >= most else window
    kinds = [event.kind for event in found]
    added, completed, failed = (kinds.count(kind) / seconds for kind in ("added", "completed", "failed"))
    return Rates(added=added, completed=completed, failed=failed, seconds=seconds)
