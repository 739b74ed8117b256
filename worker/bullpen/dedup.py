"""Adding a job once, however often it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from bullpen.durations import Duration, milliseconds
from bullpen.errors import ConfigurationError
from bullpen.protocol.deduplication import Deduplication


@dataclass(frozen=True, slots=True)
class Dedup:
    """Which jobs count as the same: those added with one `id`. The first one owns it, the others are discarded.

    Dedup("report-7")                                       one at a time: until the owner is completed or failed
    Dedup("report-7", ttl="5m")                             throttle: one in 5 minutes, whatever becomes of the owner
    Dedup("report-7", ttl="5s", extend=True, replace=True)  debounce, for jobs with a delay of 5 s: the last one counts,
                                                            5 s after it was added
    Dedup("report-7", keep_last=True)                       one at a time, and once more for what came meanwhile

    `extend`: each discarded add starts the `ttl` anew. `replace`: an owner that is still delayed goes, and the new job
    takes its place; any other owner stays. `keep_last`: of the jobs discarded while the owner runs the last one is
    added when that has ended. `reschedule`: an owner that is still delayed waits as long as the discarded job would.
    Raises `ConfigurationError` for an empty id, a `ttl` under a millisecond, and combinations that contradict.
    """

    id: str
    ttl: Duration | None = None
    extend: bool = False
    replace: bool = False
    keep_last: bool = False
    reschedule: bool = False

    def __post_init__(self) -> None:
        self.stored()
        for refused, why in (
            (self.extend and self.ttl is None, "extend=True needs a ttl to extend; give one"),
            (
                self.keep_last and self.ttl is not None,
                "keep_last=True holds the id until the owner has ended; leave out ttl",
            ),
            (
                self.replace and self.reschedule,
                "replace=True removes the delayed owner, reschedule=True keeps it; choose one",
            ),
        ):
            if refused:
                raise ConfigurationError(f"Dedup({self.id!r}): {why}")

    def stored(self) -> Deduplication:
        """As the wire format has it, in ms."""
        ttl = None if self.ttl is None else milliseconds(self.ttl, of="Dedup(ttl=…)")
        stored = Deduplication(self.id, ttl, self.extend, self.replace, self.keep_last, self.reschedule)
        stored.check()
        return stored
