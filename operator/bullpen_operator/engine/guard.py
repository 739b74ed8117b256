"""What is to be written of a pool's PodDisruptionBudget. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bullpen_operator.cluster.disruption import budget_wanted, intended_budget
from bullpen_operator.engine.difference import differences

if TYPE_CHECKING:
    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.cluster.port import Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The budget is to be made (without resourceVersion), or put right at the version it carries."""

    budget: Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Unguard:
    """The budget with this uid is to go, if it still has this version."""

    uid: str
    version: str


def guard(pool: WorkerPool, *, seen: Raw | None, replicas: int) -> Guard | Unguard | None:
    """What brings the budget to the spec; None when it is there. `seen` is the pool's own budget as last seen."""
    if seen is not None and seen["metadata"].get("deletionTimestamp"):
        return None
    if not budget_wanted(pool, replicas=replicas, exists=seen is not None):
        if seen is None:
            return None
        return Unguard(uid=seen["metadata"]["uid"], version=seen["metadata"]["resourceVersion"])
    budget = intended_budget(pool)
    if seen is None:
        return Guard(budget=budget)
    if not differences(budget, seen):
        return None
    metadata = {**budget["metadata"], "resourceVersion": seen["metadata"]["resourceVersion"]}
    # Of minAvailable and maxUnavailable there is one: who edited the budget may have chosen the other.
    return Guard(budget={**budget, "metadata": metadata, "spec": {**budget["spec"], "minAvailable": None}})
