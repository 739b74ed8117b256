"""What of a decision or a change of status is worth an Event. Pure.

Derived from the status before and after, not from memory: an operator that starts anew does not tell everything once
more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bullpen_operator.api.reasons import ConditionType, Reason
from bullpen_operator.cluster.recorder import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bullpen_operator.api.pool import Metadata, WorkerPool
    from bullpen_operator.scaling.decision import Decision

Said = dict[str, "Mapping[str, Any]"]
"""Conditions by type."""

_OBSTACLES: Final = frozenset(
    {
        Reason.TEMPLATE_REJECTED,
        Reason.DEPLOYMENT_CONFLICT,
        Reason.WRITE_FAILED,
        Reason.QUOTA,
        Reason.ROLLOUT_STALLED,
    }
)
"""Told whichever condition has them, each sentence once."""

_SECRETS: Final = frozenset({Reason.SECRET_MISSING, Reason.SECRET_FORBIDDEN})
"""Trouble with the queue that lies in Kubernetes, not in Redis: its own Event."""

_SPELLED: Final = {reason.value: reason for reason in Reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """What to tell when a condition turns: to `trouble`, its own reason or `begins`; back from it, `ends`."""

    trouble: str
    begins: Reason | None
    ends: Reason | None
    action: str


_TURNS: Final[Mapping[ConditionType, _Turn]] = {
    ConditionType.OBJECTIVE_MET: _Turn(
        trouble="False", begins=Reason.OBJECTIVE_MISSED, ends=Reason.OBJECTIVE_RECOVERED, action="ReadQueue"
    ),
    ConditionType.WORKERS_AVAILABLE: _Turn(
        trouble="False", begins=None, ends=Reason.WORKERS_RECOVERED, action="WatchPods"
    ),
    ConditionType.QUEUE_SHARED: _Turn(trouble="True", begins=None, ends=None, action="ReadQueue"),
}


def scaled(pool: WorkerPool, decision: Decision) -> Notice:
    """The Event of an accepted number, with the decision's own sentence."""
    if decision.to > decision.from_:
        reason = Reason.SCALED_FROM_ZERO if decision.from_ == 0 else Reason.SCALED_UP
    else:
        reason = Reason.SCALED_TO_ZERO if decision.to == 0 else Reason.SCALED_DOWN
    return _notice(pool, reason, decision.message, warning=False, action="Scale")


def changed(pool: WorkerPool, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Notice]:
    """The Events of a status that was written over another."""
    earlier, present = _conditions(before), _conditions(after)
    yield from _of_the_queue(pool, earlier, present)
    yield from _of_scaling(pool, earlier, present)
    told = {(condition["reason"], condition["message"]) for condition in earlier.values()}
    for condition in present.values():
        said = (condition["reason"], condition["message"])
        if condition["reason"] in _OBSTACLES and said not in told:
            told.add(said)
            yield _notice(pool, _SPELLED[said[0]], said[1], warning=True, action="ApplyDeployment")
    for kind, turn in _TURNS.items():
        yield from _turned(pool, earlier.get(kind, {}), present[kind], turn)


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


def unguarded(pool: WorkerPool, message: str) -> Notice:
    """The Event of a PodDisruptionBudget that could not be written."""
    return _notice(pool, Reason.DISRUPTION_BUDGET_FAILED, message, warning=True, action="WriteDisruptionBudget")


def _of_the_queue(pool: WorkerPool, earlier: Said, present: Said) -> Iterator[Notice]:
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


def _of_scaling(pool: WorkerPool, earlier: Said, present: Said) -> Iterator[Notice]:
    """Who decides the number of pods, where that is not the queue."""
    active = present[ConditionType.SCALING_ACTIVE]
    was, now = earlier.get(ConditionType.SCALING_ACTIVE, {}).get("reason"), active["reason"]
    if was == now:
        return
    if now == Reason.FALLBACK:
        yield _notice(pool, Reason.FALLBACK_ACTIVATED, active["message"], warning=True, action="Scale")
    elif was == Reason.FALLBACK and present[ConditionType.QUEUE_REACHABLE]["status"] == "True":
        yield _notice(pool, Reason.FALLBACK_DEACTIVATED, active["message"], warning=False, action="Scale")
    if now == Reason.FOREIGN_SCALER:
        yield _notice(pool, Reason.FOREIGN_SCALER, active["message"], warning=True, action="Scale")


def _turned(pool: WorkerPool, was: Mapping[str, Any], now: Mapping[str, Any], turn: _Turn) -> Iterator[Notice]:
    if now["reason"] in _OBSTACLES:
        return  # told already
    if now["status"] == turn.trouble:
        begins = turn.begins or _SPELLED[now["reason"]]
        if was.get("status") != turn.trouble or (turn.begins is None and was.get("reason") != now["reason"]):
            yield _notice(pool, begins, now["message"], warning=True, action=turn.action)
    elif was.get("status") == turn.trouble and turn.ends is not None:
        yield _notice(pool, turn.ends, now["message"], warning=False, action=turn.action)


def _conditions(status: Mapping[str, Any]) -> Said:
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
