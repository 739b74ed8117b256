"""How often a job is tried again, and how long it waits before each try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bullpen.durations import Duration, seconds
from bullpen.errors import ConfigurationError
from bullpen.protocol.arguments import check_text, shown
from bullpen.protocol.numbers import LARGEST

BUILT_IN: Final = ("exponential", "fixed")
"""Backoffs that every worker knows, Node's included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The tries of a job added by this client; stored with the job, so that any worker honours it.

    `attempts` counts all tries, the first one included (1 = never again). `delay` is the wait before the first
    retry; `exponential` doubles it each time, `fixed` keeps it; any other name is a strategy of the worker's app
    (`@app.backoff(name)`), which alone says how long. `jitter` (0..1) takes up to that share off at random.
    Raises `ConfigurationError` for values outside these ranges.
    """

    attempts: int = 4
    backoff: str = "exponential"
    delay: Duration = "1s"
    jitter: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int) or not 1 <= self.attempts <= LARGEST:
            raise ConfigurationError(
                f"Retry(attempts={shown(self.attempts)}): must be a whole number >= 1 and <= {LARGEST}"
            )
        if not isinstance(self.backoff, str) or not self.backoff:
            raise ConfigurationError(
                f'Retry(backoff={shown(self.backoff)}): must be "exponential", "fixed" or the name of an @app.backoff'
            )
        number = isinstance(self.jitter, (int, float)) and not isinstance(self.jitter, bool)
        if not number or not 0 <= self.jitter <= 1:
            raise ConfigurationError(f"Retry(jitter={shown(self.jitter)}): must be between 0 and 1")
        check_text("Retry(backoff=…)", self.backoff)
        seconds(self.delay, of="Retry(delay=…)")


DEFAULT_RETRY = Retry()
