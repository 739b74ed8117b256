"""Who is asked to drain, and which pods the controller is to end first: one tick's orders (scaling.md §6). Pure.

No step is remembered. From what is seen now follow the victims, from the victims the marks, from those of them that
have finished the deletion costs; the number of replicas follows from `Fleet.drained` in the planner. An operator that
dies between two steps leaves marks that end by themselves and costs that the next one takes away or uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bullpen_operator.cluster.pods import BUSY_MARKS, COST, FIRST_COST
from bullpen_operator.engine.crew import mixed
from bullpen_operator.scaling.drain import victims

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bullpen_operator.cluster.pods import WorkerPod
    from bullpen_operator.engine.crew import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotate:
    """Annotations of one pod to be set, or (None) taken away."""

    pod: WorkerPod
    annotations: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a drain needs now; all empty when there is none."""

    victims: frozenset[str] = frozenset()
    mark: frozenset[str] = frozenset()
    """Workers whose marks are to be set or renewed, by the uid of their pod."""
    clear: frozenset[str] = frozenset()
    """Workers whose marks are to be taken back."""
    annotate: tuple[Annotate, ...] = ()


NO_ORDERS = Orders()

LONG_SECONDS: Final = 10.0
"""A pod with a job that has run for so long is protected from node autoscalers,"""
IDLE_SECONDS: Final = 30.0
"""until it has run nothing for so long."""


def orders(crew: Sequence[Member], *, desired: int, replicas: int, ending: bool, shield: bool) -> Orders:
    """The orders for a crew of which `desired` are to stay, under a Deployment that asks for `replicas`.

    `ending`: a smaller number was just written, or may have been. Until the controller has acted on it, however long
    that takes, nobody that it may choose is told to go on. `shield`: busy pods are to be protected from node
    autoscalers.
    """
    # In a rollout the Deployment has more pods than it asks for, and chooses who goes.
    surplus = 0 if mixed(crew) else len(crew) - min(desired, replicas)
    chosen = frozenset(victims((member.drain_pod for member in crew), surplus))
    marked = {member.pod.uid for member in crew if member.marked}
    ending = ending or len(crew) > replicas
    kept = {member.pod.uid for member in crew if ending and member.marked and member.pod.cost == FIRST_COST}
    by_hand = {member.pod.uid for member in crew if member.pod.drained_by_hand}
    # When all go, and will in a moment, the controller has nothing to choose.
    all_go = len(chosen) == len(crew) and all(member.jobs == 0 for member in crew)
    return Orders(
        victims=chosen,
        mark=chosen | kept | by_hand,
        clear=frozenset(marked - chosen - kept - by_hand),
        annotate=tuple(
            Annotate(pod=member.pod, annotations=changes)
            for member in crew
            if (
                changes := _cost(member, chosen=member.pod.uid in chosen, kept=member.pod.uid in kept or all_go)
                | (_shield(member) if shield else {})
            )
        ),
    )


def _cost(member: Member, *, chosen: bool, kept: bool) -> dict[str, str | None]:
    """What its deletion cost is to become; nothing when it stays.

    Only a pod that is free gets one: a cost on one that still runs jobs would be the death of them if somebody else
    made the Deployment smaller. One that is not ready needs none, the controller takes it first in any case.
    """
    pod = member.pod
    if chosen and member.free:
        return {COST: str(FIRST_COST)} if pod.ready and pod.cost != FIRST_COST and not kept else {}
    return {COST: None} if pod.cost < 0 and not kept else {}


def _shield(member: Member) -> dict[str, str | None]:
    """Pods with long jobs keep their node until they are idle.

    Short ones end within the grace period of an eviction, and would mean two patches each.
    """
    if member.oldest >= LONG_SECONDS and not member.pod.shielded:
        return dict(BUSY_MARKS)
    if member.idle >= IDLE_SECONDS and member.pod.shielded:
        return dict.fromkeys(BUSY_MARKS)
    return {}
