"""The conditions of a pool, each from what was observed. Pure.

Written for those who act on them: `kubectl wait --for=condition=Ready`, kstatus (Argo CD, Flux) and alerts.
kstatus takes Reconciling=True for "in progress", Stalled=True for "failed" and Ready=True for "current", in
this order.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bullpen_operator.api.reasons import ConditionType
from bullpen_operator.api.status import Condition, ConditionStatus
from bullpen_operator.engine import pod_conditions, queue_conditions, scaling_conditions
from bullpen_operator.engine.view import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bullpen_operator.engine.view import View

_MESSAGE_LIMIT: Final = 4096
"""Characters. The CRD takes 32768; the API server's refusals quote values, and a template may hold a megabyte."""

CALM: Final[Mapping[ConditionType, ConditionStatus]] = {
    ConditionType.SCALING_LIMITED: ConditionStatus.TRUE,
    ConditionType.OBJECTIVE_MET: ConditionStatus.FALSE,
    ConditionType.WORKERS_AVAILABLE: ConditionStatus.FALSE,
}
"""Judged by what may swing around a bound each second: with this status they are told for CALM_SECONDS at least."""
CALM_SECONDS: Final = 60.0

CONDITIONS: Final[Mapping[ConditionType, Callable[[View], Finding]]] = {
    ConditionType.READY: pod_conditions.ready,
    ConditionType.RECONCILING: pod_conditions.reconciling,
    ConditionType.STALLED: pod_conditions.stalled,
    ConditionType.QUEUE_REACHABLE: queue_conditions.queue_reachable,
    ConditionType.QUEUE_FOUND: queue_conditions.queue_found,
    ConditionType.SCALING_ACTIVE: scaling_conditions.scaling_active,
    ConditionType.SCALING_LIMITED: scaling_conditions.scaling_limited,
    ConditionType.OBJECTIVE_MET: queue_conditions.objective_met,
    ConditionType.DRAINING: pod_conditions.draining,
    ConditionType.WORKERS_AVAILABLE: pod_conditions.workers_available,
    ConditionType.QUEUE_SHARED: queue_conditions.queue_shared,
}


def conditions_of(view: View, *, time: str) -> list[Condition]:
    """All conditions of the pool; each keeps its transition time as long as its status stays."""
    found = []
    for kind, judge in CONDITIONS.items():
        written = view.before(kind)
        finding = judge(view)
        if written.get("status") == CALM.get(kind, "") != finding.status and _lately(written, view.now):
            finding = Finding(
                status=ConditionStatus(written["status"]), reason=written["reason"], message=written["message"]
            )
        found.append(
            Condition(
                type=kind,
                status=finding.status,
                observed_generation=view.generation if finding.generation is None else finding.generation,
                last_transition_time=Condition.turned_at(written, finding.status, time=time),
                reason=finding.reason,
                message=_cut(finding.message),
            )
        )
    return found


def held(view: View) -> bool:
    """Whether a condition is told only because it is not told for CALM_SECONDS yet: it is to be judged again soon."""
    return any(
        view.before(kind).get("status") == status and _lately(view.before(kind), view.now)
        for kind, status in CALM.items()
    )


def _lately(written: Mapping[str, Any], now: float) -> bool:
    """Whether the condition turned less than CALM_SECONDS ago."""
    since = datetime.fromisoformat(written["lastTransitionTime"]).timestamp()
    return 0 <= now - since < CALM_SECONDS


def _cut(message: str) -> str:
    return message if len(message) <= _MESSAGE_LIMIT else message[: _MESSAGE_LIMIT - 1] + "…"
