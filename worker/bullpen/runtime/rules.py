"""How a queue's jobs are worked on: what the app says beside its job functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bullpen.durations import Duration, milliseconds
from bullpen.errors import ConfigurationError
from bullpen.hooks import Hooks
from bullpen.runtime.around import NOTHING, Around

if TYPE_CHECKING:
    from bullpen.protocol.calls.work import RateLimit
    from bullpen.protocol.options import Backoff
    from bullpen.protocol.replies import JobRecord

Strategy = Callable[[int, BaseException, "JobRecord"], Duration]
"""A custom backoff: (failures so far, the error, the job) → how long to wait; a negative number: not again."""

_NONE: Final[Mapping[str, Strategy]] = MappingProxyType({})


class NoBackoff(Exception):
    """How long to wait cannot be told; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`limiter`: starts by all workers of the queue. `max_started`: how often a job may be started at all (§5.1).

    `leaves_unknown`: jobs that no function handles are left for other workers, instead of being failed.
    """

    limiter: RateLimit | None = None
    max_started: int | None = None
    backoffs: Mapping[str, Strategy] = field(default_factory=lambda: _NONE)
    leaves_unknown: bool = False
    around: Around = NOTHING
    hooks: Hooks = field(default_factory=Hooks)

    def pause_ms(
        self, backoff: Backoff | None, failures: int, error: BaseException, job: JobRecord, random: Callable[[], float]
    ) -> int | None:
        """Ms until the next attempt after so many failures, 0 = at once; None when a strategy wants no further one.

        Raises NoBackoff when the type is neither built in nor registered, and when its function is at fault.
        """
        if backoff is None:
            return 0
        strategy = self.backoffs.get(backoff.type)
        if strategy is None:
            try:
                return backoff.milliseconds(failures, random)
            except ConfigurationError as unknown:
                raise NoBackoff(str(unknown)) from None
        try:
            pause = strategy(failures, error, job)
            if isinstance(pause, (int, float)) and pause < 0:
                return None
            return milliseconds(pause, of=f"backoff {backoff.type!r} returned")
        except ConfigurationError as unusable:
            raise NoBackoff(str(unusable)) from None
        except BaseException as fault:
            raise NoBackoff(f"backoff {backoff.type!r} raised {type(fault).__name__}: {fault}") from fault


PLAIN: Final = Rules()
