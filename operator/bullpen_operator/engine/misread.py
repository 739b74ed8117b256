"""A pool whose spec this version of the operator cannot read: what is said of it. Pure.

The API server admits it by the CRD of another version. Left without a word it would look like a pool at rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bullpen_operator.api.pods import POOL_LABEL
from bullpen_operator.api.reasons import ConditionType, Reason
from bullpen_operator.api.status import Condition, ConditionStatus

if TYPE_CHECKING:
    from bullpen_operator.cluster.port import Raw

_TURNED: Final = {
    ConditionType.READY: ConditionStatus.FALSE,
    ConditionType.RECONCILING: ConditionStatus.FALSE,
    ConditionType.STALLED: ConditionStatus.TRUE,
    ConditionType.SCALING_ACTIVE: ConditionStatus.FALSE,
}


def misread_status(raw: Raw, *, message: str, time: str) -> dict[str, Any]:
    """The full status, for server-side apply: what was last written, with the conditions that no longer hold turned."""
    written = raw.get("status") or {}
    generation = raw["metadata"].get("generation", 1)
    conditions = {condition["type"]: condition for condition in written.get("conditions") or ()}
    for kind, status in _TURNED.items():
        before = conditions.get(kind, {})
        turned = Condition(
            type=kind,
            status=status,
            observed_generation=generation,
            last_transition_time=Condition.turned_at(before, status, time=time),
            reason=Reason.SPEC_NOT_UNDERSTOOD,
            message=message,
        )
        conditions[kind] = turned.model_dump(mode="json", by_alias=True)
    nothing = {"replicas": 0, "readyReplicas": 0, "desiredReplicas": 0, "ready": "0/0"}
    selector = f"{POOL_LABEL}={raw['metadata']['name']}"
    known = {"selector": selector, "observedGeneration": generation, "conditions": list(conditions.values())}
    return nothing | written | known
