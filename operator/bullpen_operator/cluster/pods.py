"""A pod of a pool and a scaler of others: which raw fields are kept, and what they say. Pure.

A pod is some ten kilobytes of JSON and changes often; of thousands only a few fields each are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bullpen_operator.api.pods import DRAIN_ANNOTATION, POOL_LABEL
from bullpen_operator.cluster.trouble import telling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen_operator.cluster.port import Raw

COST: Final = "controller.kubernetes.io/pod-deletion-cost"
"""The ReplicaSet controller ends pods of lower cost first, among those that are equally ready (KEP-2255)."""
FIRST_COST: Final = -1000
"""Of a pod that is to go: lower than what anybody gives a pod that is to stay."""
KARPENTER: Final = "karpenter.sh/do-not-disrupt"
AUTOSCALER: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict"
BUSY_MARKS: Final = {KARPENTER: "true", AUTOSCALER: "false"}
"""What keeps node autoscalers from moving a pod that runs jobs."""

_HASH_LABEL = "pod-template-hash"
_KEDA_LABEL = "scaledobject.keda.sh/name"
_ANNOTATIONS = frozenset({COST, DRAIN_ANNOTATION, *BUSY_MARKS})


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPod:
    """One pod of a pool, as last seen."""

    namespace: str
    name: str
    uid: str
    version: str
    scheduled: bool
    running: bool
    """Its phase; containers may still be starting."""
    ready: bool
    active: bool
    """The controller counts it: it is neither being ended nor has it ended."""
    template: str
    """The hash of its pod template: pods of another one are another ReplicaSet's."""
    cost: int
    shielded: bool
    """It carries BUSY_MARKS."""
    drained_by_hand: bool = False
    """Somebody wants it to take no more jobs (`kubectl bullpen drain`)."""

    @classmethod
    def of(cls, raw: Raw) -> WorkerPod:
        metadata, status = raw["metadata"], raw.get("status") or {}
        annotations = metadata.get("annotations") or {}
        phase = status.get("phase", "Pending")
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            version=metadata["resourceVersion"],
            scheduled=bool((raw.get("spec") or {}).get("nodeName")),
            running=phase == "Running",
            ready=any(condition.get("status") == "True" for condition in _readiness(status)),
            active=not metadata.get("deletionTimestamp") and phase not in ("Succeeded", "Failed"),
            template=(metadata.get("labels") or {}).get(_HASH_LABEL, ""),
            cost=_cost(annotations.get(COST)),
            shielded=all(annotations.get(key) == value for key, value in BUSY_MARKS.items()),
            drained_by_hand=annotations.get(DRAIN_ANNOTATION) == "true",
        )


def slim_pod(raw: Raw) -> Raw:
    """The fields of a pod that are kept."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    kept = ("namespace", "name", "uid", "resourceVersion", "deletionTimestamp", "ownerReferences")
    return {
        "metadata": {
            **{key: metadata[key] for key in kept if key in metadata},
            "labels": {key: labels[key] for key in (POOL_LABEL, _HASH_LABEL) if key in labels},
            "annotations": {key: annotations[key] for key in _ANNOTATIONS & annotations.keys()},
        },
        "spec": {"nodeName": (raw.get("spec") or {}).get("nodeName")},
        "status": {"phase": status.get("phase", "Pending"), "conditions": _readiness(status)},
        "trouble": {} if status.get("phase") == "Succeeded" else telling(status),
    }


def slim_scaler(raw: Raw) -> Raw:
    """The fields of a HorizontalPodAutoscaler that are kept."""
    metadata = raw["metadata"]
    kept = ("namespace", "name", "uid", "resourceVersion", "labels")
    target = (raw.get("spec") or {}).get("scaleTargetRef")
    return {"metadata": {key: metadata[key] for key in kept if key in metadata}, "spec": {"scaleTargetRef": target}}


def pool_of(pod: Raw) -> str | None:
    """The name of the pool whose Deployment made this pod; None for one that merely carries the label.

    The Deployment's name stands in its ReplicaSet's: DEPLOYMENT-HASH, the hash being the pod's label
    (kubernetes/pkg/controller/deployment/sync.go, getNewReplicaSet).
    """
    metadata = pod["metadata"]
    labels = metadata.get("labels") or {}
    name: str | None = labels.get(POOL_LABEL)
    made = f"{name}-{labels.get(_HASH_LABEL)}"
    owners = metadata.get("ownerReferences") or ()
    owned = any(each.get("controller") and (each["kind"], each["name"]) == ("ReplicaSet", made) for each in owners)
    return name if owned else None


def scaled_by(scaler: Raw) -> str | None:
    """The name of the Deployment that a HorizontalPodAutoscaler scales, if it is one."""
    target = (scaler.get("spec") or {}).get("scaleTargetRef") or {}
    deployment = target.get("kind") == "Deployment" and str(target.get("apiVersion", "apps/v1")).startswith("apps/")
    return str(target.get("name")) if deployment else None


def scaler_name(scaler: Raw) -> str:
    """Kind and name for people; KEDA's is named after what its user made."""
    metadata = scaler["metadata"]
    keda = (metadata.get("labels") or {}).get(_KEDA_LABEL)
    return f"ScaledObject/{keda}" if keda else f"HorizontalPodAutoscaler/{metadata['name']}"


def _readiness(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The condition by which the controller takes a pod for ready, none or one."""
    found = [each for each in status.get("conditions") or () if each.get("type") == "Ready"]
    return [{"type": "Ready", "status": each.get("status")} for each in found]


def _cost(text: str | None) -> int:
    """As the controller reads it: what is no number counts as 0 (and the API server refuses it)."""
    try:
        return int(text or 0)
    except ValueError:
        return 0
