"""The status of a pool from what was observed and decided, and when it is worth a write. Pure.

The status is built anew as a whole. What it says of the past (transition times, the decision that led to the
present number) it takes from the status last written, never from memory, so an operator that starts goes on
where the last one stopped.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bullpen_operator.api.pods import POOL_LABEL
from bullpen_operator.api.status import DecisionRecord, QueueNumbers, WorkerPoolStatus
from bullpen_operator.engine.conditions import CALM, conditions_of
from bullpen_operator.scaling.numbers import count
from bullpen_operator.scaling.observation import QueueReading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen_operator.engine.view import View
    from bullpen_operator.scaling.decision import Decision

__all__ = ["REFRESH_SECONDS", "status_of", "timestamp", "urgent", "write_due"]

REFRESH_SECONDS: Final = 60.0
"""Numbers of the queue, and reasons for an unchanged number, are written at most once in this many seconds."""


_SLOW: Final = frozenset({"queue", "rates", "decision", "busyReplicas"})
"""Parts of the status that alone are no reason to write it at once."""


def timestamp(now: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC with whole seconds, as metav1.Time has it."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rounded(number: float) -> int:
    """Two significant digits: 1 234 → 1200. Fewer changes, fewer writes; exact values are in the metrics."""
    whole = count(number)
    digits = len(str(whole))
    return round(whole, 2 - digits) if digits > 2 else whole


def status_of(view: View) -> dict[str, Any]:
    """The full status, for server-side apply.

    `view` is what is seen after its decision was carried out: a number that the Deployment does not have is not told as
    done.
    """
    written, decision = view.pool.status, view.decision
    time = timestamp(view.now)
    moved = decision.changes and view.fleet.replicas == decision.to
    status = WorkerPoolStatus(
        observed_generation=view.generation,
        replicas=view.fleet.pods,
        ready_replicas=view.fleet.ready,
        desired_replicas=decision.to,
        busy_replicas=view.fleet.busy,
        draining_replicas=None if view.fleet.busy is None else view.fleet.draining,
        ready=f"{view.fleet.ready}/{decision.to}",
        selector=f"{POOL_LABEL}={view.pool.metadata.name}",
        queue=None,
        rates=None,
        decision=None,
        last_scale_time=time if moved else written.get("lastScaleTime"),
        conditions=conditions_of(view, time=time),
    )
    result = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    queue = _queue(view)
    if queue is not None:
        result["queue"] = queue
    rates = _rates(view, decision)
    if rates is not None:
        result["rates"] = rates
    result["decision"] = _decision(decision, written.get("decision"), moved=moved, time=time)
    return result


def write_due(
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    written_at: float | None,
    refreshed_at: float | None,
    now: float,
) -> bool:
    """Whether `after` is to be written over `before`.

    At once when it is `urgent`. What else changes is a refresh, and there is at most one of them a minute: a new
    reason for the same number needs a minute since the last refresh (`refreshed_at`), numbers of the queue and
    sentences of conditions a minute since any write (`written_at`); None: unknown, so do not wait. An idle pool,
    where nothing changes, causes no write at all.
    """
    if urgent(before, after):
        return True
    if before == after:
        return False
    return _minute_gone(written_at if _reason(before) == _reason(after) else refreshed_at, now)


def urgent(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a condition, a number of pods or the number decided differs."""
    return _urgent(before) != _urgent(after)


def _reason(status: Mapping[str, Any]) -> tuple[Any, Any]:
    decision = status.get("decision") or {}
    return decision.get("reason"), decision.get("limitedBy")


def _minute_gone(since: float | None, now: float) -> bool:
    # Below zero the clock was set back, and nobody knows how long ago that was.
    return since is None or not 0 <= now - since < REFRESH_SECONDS


def _urgent(status: Mapping[str, Any]) -> dict[str, Any]:
    urgent = {key: value for key, value in status.items() if key not in _SLOW}
    # A condition's sentence alone is no change of it: an outage may word itself anew at each attempt. Nor is another
    # reason for one that numbers turn.
    conditions = [
        condition | {"message": None} | ({"reason": None} if condition["type"] in CALM else {})
        for condition in status.get("conditions") or ()
    ]
    return {**urgent, "conditions": conditions, "to": (status.get("decision") or {}).get("to")}


def _queue(view: View) -> dict[str, Any] | None:
    """The numbers of the reading; without one those last written, which is what was last known."""
    reading = view.reading
    if not isinstance(reading, QueueReading):
        known: dict[str, Any] | None = view.pool.status.get("queue")
        return known
    oldest = reading.oldest_wait_seconds
    numbers = QueueNumbers(
        waiting=rounded(reading.waiting),
        active=rounded(reading.active),
        delayed=rounded(reading.delayed),
        failed=rounded(reading.failed),
        oldest_wait_seconds=None if oldest is None or not math.isfinite(oldest) else rounded(oldest),
        paused=reading.paused,
    )
    return numbers.model_dump(mode="json", by_alias=True, exclude_none=True)


def _rates(view: View, decision: Decision) -> dict[str, Any] | None:
    """What was learned; without a reading what was last written."""
    service = decision.inputs.get("serviceSeconds")
    if not isinstance(view.reading, QueueReading) or service is None:
        known: dict[str, Any] | None = view.pool.status.get("rates")
        return known
    learned = decision.memory.rates
    numbers = {"arrivals": learned.arrivals, "completions": learned.finishing, "serviceSeconds": service}
    shown = {
        name: _two_digits(value, least=0.0 if name == "serviceSeconds" else 0.01) for name, value in numbers.items()
    }
    return {**shown, "source": learned.source.value}


def _two_digits(value: float, *, least: float) -> float | int:
    """1 234.5 → 1200, 0.123 → 0.12; below `least` nothing, so that a queue at rest comes to rest."""
    return _plain(float(f"{value:.2g}")) if value >= least else 0


def _decision(decision: Decision, written: Mapping[str, Any] | None, *, moved: bool, time: str) -> dict[str, Any]:
    """The record of this decision, or the one that stands: a decision that changes nothing tells nothing new."""
    identity = (decision.to, decision.reason.value, decision.limited_by and decision.limited_by.value)
    if written and not moved:
        stands = (written.get("to"), written.get("reason"), written.get("limitedBy"))
        if stands == identity:
            return dict(written)
    record = DecisionRecord(
        time=time,
        from_=decision.from_,
        to=decision.to,
        reason=decision.reason,
        limited_by=decision.limited_by,
        message=decision.message,
        inputs=dict(decision.inputs),
    )
    dumped = record.model_dump(mode="json", by_alias=True, exclude_none=True)
    # Whole numbers stay whole in JSON: 68.0 would come back as 68 and differ from what was sent.
    dumped["inputs"] = {name: _plain(value) for name, value in decision.inputs.items()}
    return dumped


def _plain(value: float) -> float | int:
    return int(value) if float(value).is_integer() else round(value, 3)
