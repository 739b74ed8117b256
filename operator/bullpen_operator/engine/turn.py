"""One pool's turn: what was observed and decided → what is to be written. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bullpen_operator.cluster.deployment import TemplateRejectedError, intended, intent_of
from bullpen_operator.engine.difference import differences
from bullpen_operator.engine.view import Obstacle

if TYPE_CHECKING:
    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.cluster.port import Raw
    from bullpen_operator.engine.difference import Differences
    from bullpen_operator.scaling.decision import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The Deployment is to have this many replicas and is otherwise left alone."""

    replicas: int
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """The Deployment is to be made or put right; `deployment` is all of it, replicas included."""

    deployment: Raw
    resource_version: str | None
    """The version it was decided on; None when there is no Deployment yet."""
    scale: Scale | None
    """What to do while it cannot be applied: the Deployment that runs still scales."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The intended Deployment cannot even be built."""

    obstacle: Obstacle
    scale: Scale | None


def effect(
    pool: WorkerPool, *, seen: Raw | None, decision: Decision, tolerated: Differences
) -> Apply | Scale | Refused | None:
    """What brings the Deployment to the spec and the decision; None when it is there.

    `seen`: the pool's Deployment as last seen. `tolerated`: differences that remained after our own last apply.
    """
    if seen is not None and seen["metadata"].get("deletionTimestamp"):
        return None  # it is made anew when it is gone
    scale = (
        Scale(replicas=decision.to, resource_version=seen["metadata"]["resourceVersion"])
        if seen is not None and decision.changes
        else None
    )
    try:
        deployment = intended(pool, replicas=decision.to)
    except TemplateRejectedError as error:
        return Refused(obstacle=Obstacle(reason=error.reason, message=str(error)), scale=scale)
    if seen is None:
        return Apply(deployment=deployment, resource_version=None, scale=None)
    if intent_of(seen) != intent_of(deployment) or differences(deployment, seen) - tolerated:
        return Apply(deployment=deployment, resource_version=seen["metadata"]["resourceVersion"], scale=scale)
    return scale
