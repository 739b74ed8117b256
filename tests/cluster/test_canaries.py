"""The operator in the cluster tells no secret: neither the Redis password of the stage nor what a pool has planted."""

from __future__ import annotations

import json
import secrets
import urllib.request
from urllib.parse import urlsplit

import pytest

from hack.stage.site import OF_OPERATORS, Site
from tests.cluster.conftest import MakePool

pytestmark = pytest.mark.cluster


def said(site: Site) -> dict[str, str]:
    """Logs and metrics of every replica; statuses and Events of every pool of the namespace."""
    kubectl = site.kubectl
    pods = kubectl.get("pods", OF_OPERATORS, "--field-selector=status.phase=Running")
    everything = {}
    for pod in (item["metadata"]["name"] for item in pods["items"]):
        everything[f"logs of {pod}"] = kubectl("logs", pod)
        with (
            kubectl.forward(f"pod/{pod}", 9464) as port,
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer,
        ):
            everything[f"metrics of {pod}"] = answer.read().decode()
    pools = kubectl.get("workerpools")["items"]
    everything["statuses"] = json.dumps([pool.get("status") for pool in pools])
    events = kubectl.get("events", "--field-selector=involvedObject.kind=WorkerPool")["items"]
    everything["Events"] = json.dumps(events)
    return everything


def test_no_secret_is_in_what_the_operator_says(site: Site, make_pool: MakePool) -> None:
    canary = f"canary-{secrets.token_hex(8)}"
    password = urlsplit(site.redis.url).password
    good = make_pool(env=[{"name": "TOKEN", "value": canary}])
    bad = make_pool(redis={"url": f"redis://:{canary}@redis:6379/0"})
    good.await_condition("QueueReachable", "True")
    bad.await_condition("QueueReachable", "False", "AuthenticationFailed")
    bad.await_event("QueueUnreachable")

    everything = said(site)

    assert password
    assert all(everything.values())
    assert bad.name in everything["statuses"] + everything["Events"], "the pools are not among what was looked at"
    leaks = [where for where, text in everything.items() if canary in text or password in text]
    assert leaks == []
