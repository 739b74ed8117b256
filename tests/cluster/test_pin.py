"""The scale subresource: who pins a pool, who keeps the pin, and who releases it.

Needs the CRD and Kubernetes' own controllers alone: no operator, no Redis, no image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hack.stage.kubectl import Kubectl, until
from tests.cluster.crd_only import namespace_with_crd
from tests.cluster.test_admission import VALID, manifest

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with namespace_with_crd("bullpen-pin") as kubectl:
        yield kubectl


def spec(kubectl: Kubectl, name: str) -> dict[str, Any]:
    found: dict[str, Any] = kubectl.get("workerpool", name)["spec"]
    return found


def apply(kubectl: Kubectl, text: str, *words: str) -> None:
    kubectl("apply", *words, "-f", "-", stdin=text)


def test_a_pin_by_scale_outlives_an_apply_that_does_not_speak_of_it(kubectl: Kubectl) -> None:
    """`kubectl apply` compares with what it applied last, and a pin by `kubectl scale` never was in it."""
    plain = manifest(VALID, name="client-side")
    apply(kubectl, plain)
    kubectl("scale", "wp/client-side", "--replicas=3")

    apply(kubectl, manifest(VALID | {"concurrency": 7}, name="client-side"))
    assert (spec(kubectl, "client-side")["replicas"], spec(kubectl, "client-side")["concurrency"]) == (3, 7)

    kubectl("patch", "wp", "client-side", "--type=merge", '--patch={"spec": {"replicas": null}}')
    assert "replicas" not in spec(kubectl, "client-side")


def test_whoever_applied_the_pin_releases_it_by_leaving_it_out(kubectl: Kubectl) -> None:
    for words in ((), ("--server-side",)):
        name = f"applied{len(words)}"
        apply(kubectl, manifest(VALID | {"replicas": 2}, name=name), *words)
        assert spec(kubectl, name)["replicas"] == 2

        apply(kubectl, manifest(VALID, name=name), *words)
        assert "replicas" not in spec(kubectl, name)


def test_a_server_side_apply_keeps_a_pin_by_scale_and_may_take_it_over(kubectl: Kubectl) -> None:
    """Nobody owns a field that `kubectl scale` wrote to a custom resource, so there is no conflict either."""
    apply(kubectl, manifest(VALID, name="server-side"), "--server-side")
    kubectl("scale", "wp/server-side", "--replicas=3")

    apply(kubectl, manifest(VALID, name="server-side"), "--server-side")
    assert spec(kubectl, "server-side")["replicas"] == 3

    apply(kubectl, manifest(VALID | {"replicas": 1}, name="server-side"), "--server-side")
    assert spec(kubectl, "server-side")["replicas"] == 1

    other = ("--server-side", "--field-manager=other")
    refused = kubectl.run("apply", *other, "-f", "-", stdin=manifest(VALID | {"replicas": 2}, name="server-side"))
    assert refused.returncode != 0
    assert ".spec.replicas" in refused.stderr


@pytest.mark.parametrize("words", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_diff_is_quiet_over_defaults_pins_and_status(kubectl: Kubectl, words: tuple[str, ...]) -> None:
    name = f"diff{len(words)}"
    text = manifest(VALID | {"scaling": {"maxReplicas": 5}}, name=name)
    apply(kubectl, text, *words)
    kubectl("scale", f"wp/{name}", "--replicas=3")
    show(kubectl, name, replicas=3)

    done = kubectl.run("diff", *words, "-f", "-", stdin=text)

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_an_hpa_scales_a_pinned_pool_and_says_that_it_cannot_scale_another(kubectl: Kubectl) -> None:
    """The API server cannot answer GET /scale without spec.replicas: another scaler needs a pin to begin with."""
    for name, pin in (("hpa-pinned", {"replicas": 1}), ("hpa-free", {})):
        apply(kubectl, manifest(VALID | pin, name=name))
        show(kubectl, name, replicas=1)
        kubectl.apply(json.dumps(autoscaler(name)))

    until(lambda: spec(kubectl, "hpa-pinned")["replicas"] == 2, "the HPA's minimum on the pinned pool", within=90)
    able = until(lambda: able_to_scale(kubectl, "hpa-free"), "what the HPA says of the free pool", within=90)

    assert (able["status"], able["reason"]) == ("False", "FailedGetScale")
    assert "replicas" not in spec(kubectl, "hpa-free")


def show(kubectl: Kubectl, name: str, *, replicas: int) -> None:
    """The part of the status that scalers read, as the operator writes it."""
    head = {"apiVersion": "bullpen.dev/v1alpha1", "kind": "WorkerPool", "metadata": {"name": name}}
    numbers = {"replicas": replicas, "readyReplicas": replicas, "desiredReplicas": replicas, "ready": "1/1"}
    known = {"observedGeneration": 1, "selector": f"bullpen.dev/pool={name}", "conditions": []}
    words = ("apply", "--server-side", "--subresource=status", "--field-manager=test", "-f", "-")
    kubectl(*words, stdin=json.dumps({**head, "status": numbers | known}))


def autoscaler(name: str) -> dict[str, Any]:
    """Two pods at least, which needs no metrics."""
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    target = {"apiVersion": "bullpen.dev/v1alpha1", "kind": "WorkerPool", "name": name}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 4, "metrics": [cpu]},
    }


def able_to_scale(kubectl: Kubectl, name: str) -> dict[str, str] | None:
    conditions = kubectl.get("hpa", name).get("status", {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == "AbleToScale"), None)
