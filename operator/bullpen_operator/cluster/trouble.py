"""What keeps a pool's pods from running, from the pods' own status. Pure.

The words are the kubelet's (`waiting.reason`) and the scheduler's (`PodScheduled`); a container that has only just
failed once is no trouble yet, it is tried again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bullpen_operator.api.reasons import Reason
from bullpen_operator.scaling.observation import PodTrouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_WAITING: Final = {
    "CrashLoopBackOff": Reason.CRASH_LOOP,
    "ImagePullBackOff": Reason.IMAGE_PULL,
    "ErrImagePull": Reason.IMAGE_PULL,
    "ErrImageNeverPull": Reason.IMAGE_PULL,
    "InvalidImageName": Reason.IMAGE_PULL,
    "CreateContainerConfigError": Reason.CONTAINER_CONFIG,
    "CreateContainerError": Reason.CONTAINER_CONFIG,
    "RunContainerError": Reason.CONTAINER_CONFIG,
}
_ORDER: Final = (Reason.CONTAINER_CONFIG, Reason.IMAGE_PULL, Reason.CRASH_LOOP, Reason.UNSCHEDULABLE)
"""The first that any pod has is told: those that only a change of the spec ends before those that a node may end."""
_READ: Final = ("name", "image", "ready", "restartCount", "state", "lastState")
_RESTARTS: Final = 3
"""A container that ended so often and is not ready loops, also in the seconds in which it runs between two ends."""


def telling(status: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a pod's status that `trouble_of` reads; next to nothing for a pod that runs."""
    kept: dict[str, Any] = {}
    for kind in ("initContainerStatuses", "containerStatuses"):
        states = [state for state in status.get(kind) or () if not state.get("ready")]
        if states:
            kept[kind] = [{key: state[key] for key in _READ if key in state} for state in states]
    unscheduled = [one for one in status.get("conditions") or () if one["type"] == "PodScheduled"]
    if any(one["status"] == "False" for one in unscheduled):
        kept["conditions"] = unscheduled
    return kept


def trouble_of(pods: Iterable[Mapping[str, Any]]) -> PodTrouble | None:
    """The gravest trouble of the pods, with how many have it; None when none has any. Pods that end are left out."""
    present = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    found = [trouble for trouble in map(_of_one, present) if trouble is not None]
    if not found:
        return None
    first = min(found, key=lambda trouble: _ORDER.index(trouble.reason))
    many = sum(trouble.reason is first.reason for trouble in found)
    return PodTrouble(reason=first.reason, message=f"{many} of {len(present)} pods: {first.message}")


def _of_one(pod: Mapping[str, Any]) -> PodTrouble | None:
    status = pod.get("status") or {}
    found = [
        *(trouble for state in _containers(status) if (trouble := _of_container(state)) is not None),
        *(trouble for state in status.get("conditions") or () if (trouble := _of_scheduling(state)) is not None),
    ]
    return min(found, key=lambda trouble: _ORDER.index(trouble.reason), default=None)


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _of_container(state: Mapping[str, Any]) -> PodTrouble | None:
    waiting = (state.get("state") or {}).get("waiting") or {}
    reason = _WAITING.get(waiting.get("reason", ""))
    name = state["name"]
    if reason is Reason.IMAGE_PULL:
        image = state.get("image", "")
        return PodTrouble(reason=reason, message=f"the image {image} of the container {name} cannot be pulled")
    if reason is Reason.CONTAINER_CONFIG:
        return PodTrouble(reason=reason, message=f"the container {name} cannot be made: {waiting.get('message', '')}")
    looping = state.get("restartCount", 0) >= _RESTARTS and not state.get("ready") and _ended(state) is not None
    if reason is Reason.CRASH_LOOP or looping:
        return PodTrouble(
            reason=Reason.CRASH_LOOP, message=f"the container {name} ends soon after its start{_how(state)}"
        )
    return None


def _how(state: Mapping[str, Any]) -> str:
    ended = _ended(state)
    if ended is None:
        return ""
    why = f" ({ended['reason']})" if ended.get("reason") else ""
    return f", with exit code {ended.get('exitCode')}{why}: see kubectl logs --previous"


def _ended(state: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for which in ("state", "lastState"):
        ended: Mapping[str, Any] | None = (state.get(which) or {}).get("terminated")
        if ended:
            return ended
    return None


def _of_scheduling(condition: Mapping[str, Any]) -> PodTrouble | None:
    if condition["type"] != "PodScheduled" or condition["status"] != "False":
        return None
    if condition.get("reason") != "Unschedulable":
        return None
    return PodTrouble(reason=Reason.UNSCHEDULABLE, message=condition.get("message", "no node takes it"))
