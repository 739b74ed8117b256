"""Who leads, and that nobody else writes: operators as processes, killed, stopped and continued, on a real API server.

All their requests go through doors (`hack.stage.door`), which keep what the API server answered to every write.
LEADERSHIP_STOPPED_SECONDS: for how long the leader is stopped at least.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.stage.kubectl import ROOT, Kubectl, until
from hack.stage.operators import Operator, operators

pytestmark = pytest.mark.cluster

STOPPED_SECONDS = float(os.environ.get("LEADERSHIP_STOPPED_SECONDS", "0"))
NOWHERE = {"spec": {"nodeSelector": {"bullpen.dev/no-such-node": "true"}}}

Start = Callable[[str], Operator]


@pytest.fixture
def kubectl() -> Iterator[Kubectl]:
    """A namespace of the test's own."""
    kubectl = Kubectl.connect(f"bullpen-leadership-{secrets.token_hex(3)}")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    kubectl("create", "namespace", kubectl.namespace)
    yield kubectl
    kubectl("delete", "namespace", kubectl.namespace, "--wait=false")


@pytest.fixture
def start(kubectl: Kubectl, tmp_path: Path) -> Iterator[Start]:
    with operators(kubectl.kubeconfig, kubectl.namespace, tmp_path) as start:
        yield start


def apply(kubectl: Kubectl, *names: str, **spec: Any) -> None:
    """Pools whose Redis does not answer and whose pods find no node: all that is written is the operator's doing."""
    known = {"queue": "q", "image": "example/app:1", "redis": {"url": "redis://127.0.0.1:1/0"}, "template": NOWHERE}
    for name in names:
        pool = {"apiVersion": "bullpen.dev/v1alpha1", "kind": "WorkerPool", "metadata": {"name": name}}
        kubectl.apply(json.dumps({**pool, "spec": {**known, **spec}}))


def test_another_one_leads_after_a_kill_and_after_a_clean_stop(kubectl: Kubectl, start: Start) -> None:
    first = start("first")
    first.await_says(" leading ")
    second = start("second")
    second.await_says("standing by: first leads")

    first.signal(signal.SIGKILL)
    second.await_says(" leading ", within=15)
    third = start("third")
    third.await_says("standing by: second leads")

    second.signal(signal.SIGTERM)
    third.await_says(" leading ", within=8)  # sooner than a Lease expires
    assert second.await_end() == 0
    spec = kubectl.get("lease", "bullpen-operator")["spec"]
    assert spec["holderIdentity"].startswith("third_")
    assert spec["leaseTransitions"] == 3


def test_who_was_stopped_while_another_took_over_writes_no_more(kubectl: Kubectl, start: Start) -> None:
    first = start("first")
    first.await_says(" leading ")
    second = start("second")
    second.await_says("standing by: first leads")
    apply(kubectl, "updated", "scaled", "told")
    paths = {name: f"/namespaces/{kubectl.namespace}/{path}" for name, path in PATHS.items()}
    settled = [paths["updated"], paths["scaled"], f"/namespaces/{kubectl.namespace}/workerpools/told/status"]
    until(lambda: all(wrote(first, path) for path in settled), "the first writes of the first", within=60)

    # One write of each kind has left the leader when it is stopped, and has not reached the API server.
    first.door.hold(lambda _, path: path.endswith(tuple(paths.values())))
    apply(kubectl, "made")
    apply(kubectl, "updated", concurrency=3)
    apply(kubectl, "scaled", scaling={"minReplicas": 2})
    apply(kubectl, "told", replicas=0)
    until(lambda: len(set(first.door.held)) == len(paths), f"four held writes, not {first.door.held}", within=60)
    first.signal(signal.SIGSTOP)
    second.await_says(" leading ", within=30)
    for path in paths.values():
        until(lambda path=path: wrote(second, path), f"the second to write {path}", within=60)  # type: ignore[misc]
    led_at = second.door.led_at()
    assert led_at is not None
    until(lambda: time.monotonic() - led_at > STOPPED_SECONDS, "the leader to be stopped long enough", within=600)

    first.door.release()
    first.signal(signal.SIGCONT)
    assert first.await_end() == 1
    assert first.says("no longer leading: the Lease is now with second")
    until(lambda: answers(first, paths) == dict.fromkeys(PATHS, 409), f"{answers(first, paths)}", within=10)
    assert first.door.accepted(since=led_at) == []
    assert second.door.accepted(since=led_at) != []


PATHS = {
    "made": "deployments/made",
    "updated": "deployments/updated",
    "scaled": "deployments/scaled",
    "told": "workerpools/told/status",
}


def wrote(operator: Operator, path: str) -> bool:
    return any(write.path.endswith(path) and write.accepted for write in list(operator.door.writes))


def answers(operator: Operator, paths: dict[str, str]) -> dict[str, int]:
    """The last answer to a write of each of the paths."""
    return {
        name: write.status
        for name, path in paths.items()
        for write in operator.door.writes
        if write.path.endswith(path)
    }
