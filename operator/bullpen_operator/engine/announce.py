"""What of a decision or a change of status is worth an Event. Pure.

Derived from the status before and after, not from memory: an operator that starts anew does not tell everything once
more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bullpen_operator.api.reasons import ConditionType, Reason
from bullpen_operator.cluster.recorder import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bullpen_operator.api.pool import Metadata, WorkerPool
    from bullpen_operator.scaling.decision import Decision

_OBSTACLES: Final = frozenset({Reason.TEMPLATE_REJECTED, Reason.DEPLOYMENT_CONFLICT, Reason.WRITE_FAILED})

_SECRETS: Final = frozenset({Reason.SECRET_MISSING, Reason.SECRET_FORBIDDEN})
"""Trouble with the queue that lies in Kubernetes, not in Redis: its own Event."""

_SPELLED: Final = {reason.value: reason for reason in Reason}


def scaled(pool: WorkerPool, decision: Decision) -> Notice:
    """The Event of an accepted number, with the decision's own sentence."""
    if decision.to > decision.from_:
        reason = Reason.SCALED_FROM_ZERO if decision.from_ == 0 else Reason.SCALED_UP
    else:
        reason = Reason.SCALED_TO_ZERO if decision.to == 0 else Reason.SCALED_DOWN
    return _notice(pool, reason, decision.message, warning=False, action="Scale")


def changed(pool: WorkerPool, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Notice]:
    """The Events of a status that was written over another."""
    earlier = _conditions(before)
    yield from _of_the_queue(pool, earlier, _conditions(after))
    told = {(condition["reason"], condition["message"]) for condition in earlier.values()}
    for condition in _conditions(after).values():
        said = (condition["reason"], condition["message"])
        if condition["reason"] in _OBSTACLES and said not in told:
            told.add(said)
            yield _notice(pool, _SPELLED[said[0]], said[1], warning=True, action="ApplyDeployment")


def misread(pool: Metadata, message: str) -> Notice:
    """The Event of a pool that this version of the operator cannot read."""
    return Notice(
        namespace=pool.namespace,
        name=pool.name,
        uid=pool.uid,
        reason=Reason.SPEC_NOT_UNDERSTOOD,
        note=message,
        warning=True,
        action="ReadPool",
    )


def _of_the_queue(
    pool: WorkerPool, earlier: Mapping[str, Mapping[str, Any]], present: Mapping[str, Mapping[str, Any]]
) -> Iterator[Notice]:
    reachable, found = present[ConditionType.QUEUE_REACHABLE], present[ConditionType.QUEUE_FOUND]
    was = earlier.get(ConditionType.QUEUE_REACHABLE, {})
    if reachable["status"] == "False":
        if (reachable["status"], reachable["reason"]) != (was.get("status"), was.get("reason")):
            why = _SPELLED[reachable["reason"]]
            reason = why if why in _SECRETS else Reason.QUEUE_UNREACHABLE
            yield _notice(pool, reason, reachable["message"], warning=True, action="ReadQueue")
    elif was.get("status") == "False":
        yield _notice(pool, Reason.QUEUE_RECOVERED, reachable["message"], warning=False, action="ReadQueue")
    if found["status"] == "False" and earlier.get(ConditionType.QUEUE_FOUND, {}).get("status") != "False":
        yield _notice(pool, Reason.QUEUE_NOT_FOUND, found["message"], warning=True, action="ReadQueue")


def _conditions(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {condition["type"]: condition for condition in status.get("conditions") or ()}


def _notice(pool: WorkerPool, reason: Reason, note: str, *, warning: bool, action: str) -> Notice:
    return Notice(
        namespace=pool.metadata.namespace,
        name=pool.metadata.name,
        uid=pool.metadata.uid,
        reason=reason,
        note=note,
        warning=warning,
        action=action,
    )
