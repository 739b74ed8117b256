"""What the attempts of one queue share, and why one is told to stop."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    import logging
    from collections.abc import Callable, Mapping

    from bullpen.protocol.keys import QueueKeys
    from bullpen.runtime.attempt import Attempt
    from bullpen.runtime.delivery import Delivery
    from bullpen.runtime.endings import Ending
    from bullpen.runtime.executors import Executors
    from bullpen.runtime.handler import Handler
    from bullpen.runtime.rules import Rules
    from bullpen.runtime.tally import Tally
    from bullpen.telemetry import Telemetry


class Stop(StrEnum):
    """Why a job was told to stop."""

    DRAIN = "drain"
    LOCK_LOST = "lock lost"


@dataclass(frozen=True, slots=True)
class Station:
    """What every attempt of one queue works with. `ended` is called once for each attempt, in the loop's thread."""

    keys: QueueKeys
    handlers: Mapping[str, tuple[Handler, Tally]]
    fallback: tuple[Handler, Tally] | None
    unhandled: Tally
    executors: Executors
    delivery: Delivery
    logger: logging.Logger
    loop: asyncio.AbstractEventLoop
    loop_thread: int
    rules: Rules
    telemetry: Telemetry | None
    ended: Callable[[Attempt, Ending], None]
    crashed: Callable[[BaseException], None]
