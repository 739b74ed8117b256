"""What an app and a job of ours say where Node's worker has options and processors throw."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bullpen.runtime.rules import Rules, Strategy
from bullpen.signals import Delay, RateLimited, Requeue, Signal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conformance.sides import WorkerOptions


def rules_of(worker: WorkerOptions) -> Rules:
    """What an app of ours would declare for such a worker."""

    def strategy(first: int) -> Strategy:
        return lambda failures, _error, _job: first if first < 0 else first * failures / 1000

    backoffs = {name: strategy(first) for name, first in (worker.backoffs or {}).items()}
    return Rules(max_started=worker.max_started, backoffs=backoffs)


def signal_of(outcome: Mapping[str, Any]) -> Signal | None:
    """What a job of ours raises for this outcome."""
    if "delay_until" in outcome:
        return Delay(datetime.fromtimestamp(outcome["delay_until"] / 1000, UTC))
    if "limit" in outcome:
        return RateLimited(outcome["limit"] / 1000)
    return Requeue() if "requeue" in outcome else None
