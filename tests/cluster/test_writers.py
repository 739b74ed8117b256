"""Never two writers, by the API server's own account: the chart's operators, whose leader is stopped and continued.

Its liveness probe is taken off, which would otherwise kill a stopped leader before it wakes up.
LEADERSHIP_STOPPED_SECONDS: for how long it is stopped at least.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator

import pytest

from hack.stage.audit import out_of_term, terms
from hack.stage.kubectl import Kubectl, until
from hack.stage.node import Node
from hack.stage.site import NAMESPACE, OF_OPERATORS, OPERATOR, Site
from tests.cluster.test_leadership import apply

pytestmark = [pytest.mark.cluster, pytest.mark.alone]

STOPPED_SECONDS = float(os.environ.get("LEADERSHIP_STOPPED_SECONDS", "0"))
NO_LIVENESS_PROBE = [{"op": "remove", "path": "/spec/template/spec/containers/0/livenessProbe"}]


@pytest.fixture
def kubectl() -> Iterator[Kubectl]:
    """A namespace of the test's own with two operators."""
    kubectl = Kubectl.connect(f"bullpen-writers-{secrets.token_hex(3)}")
    kubectl.apply(NAMESPACE.format(name=kubectl.namespace))
    Site(kubectl).install_operator()
    kubectl("patch", OPERATOR, "--type=json", f"--patch={json.dumps(NO_LIVENESS_PROBE)}")
    kubectl("rollout", "status", OPERATOR, "--timeout=60s")
    yield kubectl
    kubectl("delete", "namespace", kubectl.namespace, "--wait=false")


def holder(kubectl: Kubectl) -> str:
    lease = kubectl.get("lease", "--field-selector=metadata.name=bullpen-operator")["items"]
    found: str = lease[0]["spec"].get("holderIdentity", "") if lease else ""
    return found


def lead(kubectl: Kubectl, *, instead_of: str = "") -> str:
    """The identity of the leader, once it is another one."""
    return until(lambda: now if (now := holder(kubectl)) not in ("", instead_of) else None, "another leader", within=40)


def container(kubectl: Kubectl, identity: str) -> dict[str, object]:
    """What the status of the leader's pod says of its only container."""
    pods = kubectl.get("pods", OF_OPERATORS)["items"]
    (found,) = (pod for pod in pods if pod["metadata"]["name"] == identity.rpartition("_")[0])
    status: dict[str, object] = found["status"]["containerStatuses"][0]
    return status


def test_every_write_that_was_taken_was_made_by_who_held_the_lease_at_that_time(kubectl: Kubectl) -> None:
    node = Node.connect()
    until(lambda: len(kubectl.get("pods", OF_OPERATORS)["items"]) == 2, "two operators", within=60)
    first = lead(kubectl)
    names = [f"pool-{number}" for number in range(8)]
    apply(kubectl, *names)
    until(lambda: wrote(node, kubectl, first) != [], "the first to write", within=60)

    process = node.process(str(container(kubectl, first)["containerID"]))
    node.kill(process, "STOP")
    stopped_at = time.monotonic()
    try:
        apply(kubectl, *names, concurrency=3)  # what the first would have written
        second = lead(kubectl, instead_of=first)
        until(lambda: wrote(node, kubectl, second) != [], "the second to write", within=60)
        until(lambda: time.monotonic() - stopped_at >= STOPPED_SECONDS, "it to be stopped long enough", within=600)
    finally:
        node.kill(process, "CONT")
    apply(kubectl, *names, concurrency=4)
    until(lambda: container(kubectl, first)["restartCount"] == 1, "the first to end and start anew", within=60)
    before = len(wrote(node, kubectl, second))
    apply(kubectl, *names, concurrency=5)
    until(lambda: len(wrote(node, kubectl, second)) > before, "the second to write on", within=60)

    writes = node.audited(kubectl.namespace)
    assert out_of_term(writes) == []
    held = [term.holder for term in terms(writes)]
    assert held.index(first) < held.index(second)
    assert holder(kubectl) == second


def wrote(node: Node, kubectl: Kubectl, identity: str) -> list[str]:
    """The Deployments that an operator wrote, as often as it did."""
    return [
        write.what
        for write in node.audited(kubectl.namespace)
        if write.accepted and write.identity == identity and "deployments/" in write.what
    ]
