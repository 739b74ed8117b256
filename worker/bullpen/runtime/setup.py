"""What a queue's loop is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bullpen.runtime.rules import PLAIN, Rules

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from bullpen.protocol.keys import QueueKeys
    from bullpen.runtime.handler import Handler
    from bullpen.runtime.notices import Notices
    from bullpen.telemetry import Telemetry


class Bell(Protocol):
    """Rings when there may be jobs to claim (`runtime.doorbell`)."""

    def listen(self, *, due_ms: int, limited_ms: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSetup:
    """What a queue's loop is made of. `lock_ms` is how long a claim holds without renewal; `tokens` gives a new one.

    `instance` is whose drain mark is heeded, empty = nobody's.
    """

    keys: QueueKeys
    handlers: Sequence[Handler]
    slots: int
    lock_ms: int
    worker: str
    tokens: Callable[[], str]
    logger: logging.Logger
    rules: Rules = PLAIN
    notices: Notices
    telemetry: Telemetry | None = None
    instance: str = ""

    @property
    def renewal_seconds(self) -> float:
        """The age at which a lock is renewed; one that is older without may have run out before it is."""
        return self.lock_ms / 2000
