"""The clock of a test: `time.time`, `datetime.now` and so on of the whole process, moved forward when asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bullpen.testing.extra import not_installed

try:
    import time_machine
except ImportError as missing:  # pragma: no cover - the tests have it
    raise not_installed(missing) from missing

if TYPE_CHECKING:
    from time_machine import Traveller


class Clock:
    """Goes on by itself, and `forward` by jumps; `stop` ends them. Event loops count by a clock that stays as it is."""

    def __init__(self) -> None:
        self._travel: time_machine.travel | None = None
        self._traveller: Traveller | None = None

    def forward(self, seconds: float) -> None:
        """Make it later; a test that never does leaves the clock alone."""
        if self._traveller is None:
            self._travel = time_machine.travel(time.time() + seconds, tick=True)
            self._traveller = self._travel.start()
        else:
            self._traveller.shift(seconds)

    def stop(self) -> None:
        """Make it the real one again."""
        travel, self._travel, self._traveller = self._travel, None, None
        if travel is not None:
            travel.stop()
