"""How long a blocked event loop is nothing but a busy one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bullpen.runtime.attempt import Attempt

# A loop blocked by a job is no reason to kill the pod before its job could be done.
LEAST_SECONDS = 300.0


def patience(running: Iterable[Attempt]) -> float:
    """The longest time that one of these jobs may take, in seconds; five minutes at least."""
    timeouts = (each.handler.timeout for each in running if each.handler is not None)
    return max((LEAST_SECONDS, *(each for each in timeouts if each is not None)))
