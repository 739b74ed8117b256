"""A namespace in which pools are admitted and nobody serves them: no operator, no Redis, no image."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from hack.stage.kubectl import ROOT, Kubectl, until


@contextmanager
def namespace_with_crd(prefix: str) -> Iterator[Kubectl]:
    """A namespace of this caller alone, as long as the block lasts, and the CRD of this checkout."""
    kubectl = Kubectl.connect(f"{prefix}-{secrets.token_hex(3)}")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    until(lambda: _established(kubectl), "the WorkerPool kind", within=60)
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kubectl.namespace}}))
    try:
        yield kubectl
    finally:
        kubectl("delete", "namespace", kubectl.namespace, "--wait=false")


def _established(kubectl: Kubectl) -> bool:
    """Whether the API serves WorkerPools. `kubectl wait` ends with an error while a CRD has no conditions yet."""
    conditions = kubectl.get("crd", "workerpools.bullpen.dev").get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
