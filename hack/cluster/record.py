"""The note of the cluster that the last complete `up` made."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hack.cluster.places import Places
from hack.cluster.steps import HarnessError


@dataclass(frozen=True, slots=True)
class Record:
    """The definition's key, the node image, and the nodes' container ids by name."""

    definition: str
    image: str
    containers: Mapping[str, str]


def read(places: Places) -> Record | None:
    """The note; None when there is none or it is cut off."""
    try:
        note = json.loads(places.record.read_text())
        containers = {str(name): str(identity) for name, identity in note["containers"].items()}
        return Record(definition=str(note["definition"]), image=str(note["image"]), containers=containers)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(places: Places, record: Record) -> None:
    """Write the note, whole or not at all."""
    half = places.record.with_suffix(".half")
    half.write_text(json.dumps(asdict(record)))
    half.replace(places.record)


def forget_kubeconfig(places: Places) -> None:
    """Remove the kubeconfig, and the lock that a killed kind leaves next to it and would wait for in vain."""
    places.kubeconfig.unlink(missing_ok=True)
    places.kubeconfig.with_name("kubeconfig.lock").unlink(missing_ok=True)


def kubeconfig_of(places: Places) -> Path:
    """The finished cluster's kubeconfig; raises HarnessError when there is no such cluster."""
    if read(places) is None or not places.kubeconfig.exists():
        raise HarnessError("there is no cluster, so no kubeconfig; make one with: python3 hack/cluster up")
    return places.kubeconfig


def forget(places: Places) -> None:
    """Remove all that tells of a cluster, the note first."""
    places.record.unlink(missing_ok=True)
    forget_kubeconfig(places)
