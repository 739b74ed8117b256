"""Nodes that exist in the API server alone: kwok says of them and of their pods what a kubelet would say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hack.stage.kubectl import Kubectl, harness, until

LABEL = "bullpen.dev/figures"
NODES = 5
LEASE_SECONDS = 40
_START_SECONDS = 60.0


def template(run: str) -> dict[str, Any]:
    """What puts the pods of a pool onto the fake nodes of this run."""
    toleration = {"key": LABEL, "operator": "Equal", "value": run, "effect": "NoSchedule"}
    return {"spec": {"nodeSelector": {LABEL: run}, "tolerations": [toleration]}}


def _node(run: str, number: int) -> dict[str, Any]:
    # Nobody else's pods come here: not without the toleration, and DaemonSets for Linux ask for the label of one.
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"{run}-{number}", "labels": {LABEL: run}},
        "spec": {"taints": [{"key": LABEL, "value": run, "effect": "NoSchedule"}]},
    }


def _ready(kubectl: Kubectl, run: str) -> bool:
    listed = kubectl.get("nodes", f"--selector={LABEL}={run}")["items"]
    return len(listed) == NODES and all(
        any(
            each["type"] == "Ready" and each["status"] == "True"
            for each in node.get("status", {}).get("conditions", ())
        )
        for node in listed
    )


@contextmanager
def fake_nodes(kubectl: Kubectl, run: str, folder: Path) -> Iterator[None]:
    """Nodes labelled and tainted with the name of this run, as long as the block lasts; builds kwok where it is not
    there yet.
    """
    log = folder / "kwok.log"
    command = [harness("tool", "kwok"), f"--kubeconfig={kubectl.kubeconfig}", "--manage-all-nodes=false"]
    command += [f"--manage-nodes-with-label-selector={LABEL}={run}", f"--node-lease-duration-seconds={LEASE_SECONDS}"]
    with log.open("wb") as said:  # in a group of its own: after Ctrl-C the pods are still to be ended
        kwok = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, process_group=0)
    try:
        nodes = [_node(run, number) for number in range(NODES)]
        kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}))
        try:
            until(lambda: _ready(kubectl, run), "the fake nodes to be ready", within=_START_SECONDS)
        except TimeoutError as error:
            said_last = " ".join(log.read_text().splitlines()[-3:])
            raise SystemExit(f"{error}; kwok said: {said_last}") from error
        yield
    finally:
        kubectl("delete", "nodes", f"--selector={LABEL}={run}", "--ignore-not-found")
        kwok.terminate()
        kwok.wait(20)
