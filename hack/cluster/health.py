"""What is seen of a cluster, and what that makes of it. Pure: looking and repairing are done in `kind.py`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hack.cluster.record import Record


class Condition(StrEnum):
    """What a cluster needs: nothing, making, making anew, starting, or a cure."""

    HEALTHY = "healthy"
    ABSENT = "absent"
    HALF_MADE = "half-made"
    STALE = "stale"
    STOPPED = "stopped"
    UNWELL = "unwell"


@dataclass(frozen=True, slots=True)
class Container:
    name: str
    id: str
    running: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a cluster. `ready` is None when the API server does not answer; `dns` is whether CoreDNS
    does, asked through the API server."""

    record: Record | None
    containers: tuple[Container, ...]
    ready: frozenset[str] | None = None
    dns: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    condition: Condition
    reason: str


def diagnose(sight: Sight, definition: str) -> Verdict:
    """What is the matter with a cluster that should be of this definition; the first thing found counts."""
    record, containers = sight.record, sight.containers
    if not containers:
        return Verdict(Condition.ABSENT, "its node containers are gone" if record else "there is none")
    if record is None:
        return Verdict(Condition.HALF_MADE, "its making was interrupted")
    if record.definition != definition:
        return Verdict(
            Condition.STALE,
            "it was made from another definition (version, number of nodes, or files of hack/cluster)",
        )
    if record.containers != {container.name: container.id for container in containers}:
        return Verdict(Condition.HALF_MADE, "its node containers are not the ones that were made")
    stopped = [container.name for container in containers if not container.running]
    if stopped:
        return Verdict(Condition.STOPPED, f"{', '.join(stopped)} does not run")
    if sight.ready is None:
        return Verdict(Condition.UNWELL, "its API server does not answer")
    unready = [container.name for container in containers if container.name not in sight.ready]
    if unready:
        return Verdict(Condition.UNWELL, f"{', '.join(unready)} is not ready")
    if not sight.dns:
        return Verdict(Condition.UNWELL, "its DNS does not answer")
    return Verdict(Condition.HEALTHY, "all nodes and the DNS are ready")


def ready_nodes(listing: dict[str, Any]) -> frozenset[str]:
    """The names of the Ready nodes in a `kubectl get nodes --output=json`."""
    return frozenset(
        str(node["metadata"]["name"])
        for node in listing["items"]
        if any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in node.get("status", {}).get("conditions", [])
        )
    )


def renewed_since(listing: dict[str, Any], since: datetime) -> frozenset[str]:
    """The nodes whose kubelet renewed its lease after a time, in a `kubectl get leases --output=json`."""
    return frozenset(
        str(lease["metadata"]["name"])
        for lease in listing["items"]
        if lease.get("spec", {}).get("renewTime") and datetime.fromisoformat(lease["spec"]["renewTime"]) > since
    )
