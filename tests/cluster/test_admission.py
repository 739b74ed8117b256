"""What the API server says to a WorkerPool before the operator ever sees it: each mistake is refused, with a way out.

Needs the CRD alone: no operator, no Redis, no image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bullpen_operator.engine.status import status_of
from bullpen_operator.engine.view import View
from bullpen_operator.scaling.plan import Memory, Rules, plan
from hack.stage.kubectl import Kubectl
from tests.cluster.crd_only import namespace_with_crd
from tests.unit.operator.facts import NOW, fleet, pool, reading

pytestmark = pytest.mark.cluster

VALID: dict[str, Any] = {"queue": "video", "image": "example/app:1", "redis": {"url": "redis://redis:6379/0"}}
BY_SECRET = {"urlFrom": {"secretKeyRef": {"name": "bullpen-redis", "key": "url"}}}


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with namespace_with_crd("bullpen-admission") as kubectl:
        yield kubectl


def manifest(spec: dict[str, Any], *, name: str = "video") -> str:
    head = {"apiVersion": "bullpen.dev/v1alpha1", "kind": "WorkerPool", "metadata": {"name": name}}
    return json.dumps({**head, "spec": spec})


def worker(**fields: Any) -> dict[str, Any]:
    """A template that sets the given fields of the worker's container."""
    return {"spec": {"containers": [{"name": "sidecar", "image": "x"}, {"name": "worker", **fields}]}}


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "an empty queue": ({"queue": ""}, "spec.queue", "queue is empty: give the name of the BullMQ queue"),
    "a colon in the queue": ({"queue": "a:b"}, "spec.queue", "queue contains ':', which BullMQ uses between the parts"),
    "an empty prefix": ({"prefix": ""}, "spec.prefix", "prefix is empty: leave it out for BullMQ's default, bull"),
    "no concurrency": ({"concurrency": 0}, "spec.concurrency", "concurrency is below 1: give the number of jobs"),
    "too much concurrency": ({"concurrency": 10001}, "spec.concurrency", "let more pods share the work instead"),
    "an empty image": ({"image": ""}, "spec.image", "image is empty: give the image that holds the worker"),
    "an app without a name": ({"app": "jobs.app"}, "spec.app", "app must read module:name, such as myapp.jobs:app"),
    "both ways to Redis": (
        {"redis": VALID["redis"] | BY_SECRET},
        "spec.redis",
        "both url and urlFrom: keep one of them",
    ),
    "no way to Redis": ({"redis": {}}, "spec.redis", "redis has neither url nor urlFrom: give one of them"),
    "a URL that is not Redis's": (
        {"redis": {"url": "http://redis:6379"}},
        "spec.redis.url",
        "redis.url must read redis://host:port/database",
    ),
    "sentinels of a cluster": (
        {"redis": {"url": "redis+sentinel://s1,s2/mymaster/0", "cluster": True}},
        "spec.redis",
        "redis.cluster is true, but redis.url names sentinels",
    ),
    "certificates for a URL without TLS": (
        {"redis": {"url": "redis://redis:6379", "tls": {"caFrom": BY_SECRET["urlFrom"]}}},
        "spec.redis",
        "redis.tls is given, but redis.url is without TLS: write rediss://",
    ),
    "a client certificate without its key": (
        {"redis": BY_SECRET | {"tls": {"certFrom": BY_SECRET["urlFrom"]}}},
        "spec.redis.tls",
        "redis.tls has one of certFrom and keyFrom: give both of them, or neither",
    ),
    "no certificate at all": (
        {"redis": BY_SECRET | {"tls": {}}},
        "spec.redis.tls",
        "redis.tls is empty: give caFrom, or certFrom with keyFrom, or leave it out",
    ),
    "a minimum above the maximum": (
        {"scaling": {"minReplicas": 3, "maxReplicas": 2}},
        "spec.scaling.minReplicas",
        "scaling.minReplicas is above scaling.maxReplicas: lower the one or raise the other",
    ),
    "a minimum above the default maximum": (
        {"scaling": {"minReplicas": 11}},
        "spec.scaling.minReplicas",
        "scaling.minReplicas is above scaling.maxReplicas",
    ),
    "a negative minimum": (
        {"scaling": {"minReplicas": -1}},
        "spec.scaling.minReplicas",
        "minReplicas is negative: use 0",
    ),
    "a maximum of none": (
        {"scaling": {"maxReplicas": 0}},
        "spec.scaling.maxReplicas",
        "allow the pool at least one pod",
    ),
    "no queue length": (
        {"scaling": {"thresholds": {"queueLength": 0}}},
        "spec.scaling.thresholds.queueLength",
        "queueLength is below 1: give the number of waiting jobs",
    ),
    "no wait": (
        {"scaling": {"thresholds": {"waitSeconds": 0}}},
        "spec.scaling.thresholds.waitSeconds",
        "waitSeconds is below 1: give the seconds a job may wait",
    ),
    "a negative idle time": ({"scaling": {"idleSeconds": -1}}, "spec.scaling.idleSeconds", "idleSeconds is negative"),
    "an unknown direction": (
        {"scaling": {"paused": "Up"}},
        "spec.scaling.paused",
        'supported values: "None", "In", "Out"',
    ),
    "a negative drain": (
        {"drain": {"seconds": -1}},
        "spec.drain.seconds",
        "drain.seconds is negative: give the seconds",
    ),
    "a drain of days": ({"drain": {"seconds": 90000}}, "spec.drain.seconds", "give at most 86400 seconds"),
    "a pin above the maximum": (
        {"replicas": 11},
        "spec.replicas",
        "which a pin never overrides: lower the one or raise",
    ),
    "a negative pin": ({"replicas": -1}, "spec.replicas", "replicas is negative: give the number of pods to pin"),
    "a variable of the operator": (
        {"env": [{"name": "REDIS_URL", "value": "redis://elsewhere"}]},
        "spec.env",
        "remove the variable and use queue, prefix, concurrency, app, redis or drain",
    ),
    "a variable twice": ({"env": [{"name": "A"}, {"name": "A"}]}, "spec.env[1]", "Duplicate value"),
    "an impossible quantity": (
        {"resources": {"limits": {"memory": "lots"}}},
        "spec.resources.limits.memory",
        "should match",
    ),
    "the selector's label": (
        {"template": {"metadata": {"labels": {"bullpen.dev/pool": "other"}}}},
        "spec.template.metadata.labels",
        "by which the Deployment finds its pods: remove it",
    ),
    "the worker's image in the template": (
        {"template": worker(image="other")},
        "spec.template.spec.containers[1]",
        "set spec.image instead",
    ),
    "the worker's resources in the template": (
        {"template": worker(resources={})},
        "spec.template.spec.containers[1]",
        "set spec.resources instead",
    ),
    "a variable of the operator in the template": (
        {"template": worker(env=[{"name": "QUEUE_NAME", "value": "b"}])},
        "spec.template.spec.containers[1]",
        "env may not set what the operator sets from the spec",
    ),
    "the grace period in the template": (
        {"template": {"spec": {"terminationGracePeriodSeconds": 5}}},
        "spec.template.spec",
        "set spec.drain.seconds instead",
    ),
    "no CPU": (
        {"scaling": {"thresholds": {"cpuPercent": 0}}},
        "spec.scaling.thresholds.cpuPercent",
        "cpuPercent is not in 1 to 100: give the per cent of its CPU",
    ),
    "more CPU than there is": (
        {"scaling": {"thresholds": {"cpuPercent": 101}}},
        "spec.scaling.thresholds.cpuPercent",
        "cpuPercent is not in 1 to 100",
    ),
    "a promise of no time": (
        {"scaling": {"waitObjective": {"seconds": 0}}},
        "spec.scaling.waitObjective.seconds",
        "seconds is below 1: give the seconds within which jobs are to start",
    ),
    "a promise of a month": (
        {"scaling": {"waitObjective": {"seconds": 2592000}}},
        "spec.scaling.waitObjective.seconds",
        "above a week: give at most 604800 seconds",
    ),
    "a promise to everybody": (
        {"scaling": {"waitObjective": {"percentile": 100}}},
        "spec.scaling.waitObjective.percentile",
        "percentile is not in 50 to 99: give the per cent of jobs",
    ),
    "a cron pattern of four fields": (
        {"scaling": {"schedule": [{"start": "0 8 * *", "end": "0 18 * * *", "minReplicas": 1}]}},
        "spec.scaling.schedule[0].start",
        "no cron pattern: give minute, hour, day of month, month and day of week",
    ),
    "an hour that no day has": (
        {"scaling": {"schedule": [{"start": "0 8 * * *", "end": "0 25 * * *", "minReplicas": 1}]}},
        "spec.scaling.schedule[0].end",
        "no cron pattern",
    ),
    "a time zone in words": (
        {
            "scaling": {
                "schedule": [{"start": "0 8 * * *", "end": "0 9 * * *", "minReplicas": 1, "timeZone": "at home"}]
            }
        },
        "spec.scaling.schedule[0].timeZone",
        "no name of a time zone: give one such as Europe/Berlin",
    ),
    "a fallback of less than nothing": (
        {"scaling": {"fallback": {"replicas": -1}}},
        "spec.scaling.fallback.replicas",
        "fallback.replicas is negative: give the pods to have",
    ),
    "a drain of two days": (
        {"drain": {"seconds": 172800}},
        "spec.drain.seconds",
        "above a day: give at most 86400 seconds",
    ),
    "a drain that is half strict": ({"drain": {"strict": "half"}}, "spec.drain.strict", "must be of type boolean"),
    "a budget that is a number": (
        {"podDisruptionBudget": {"enabled": 1}},
        "spec.podDisruptionBudget.enabled",
        "must be of type boolean",
    ),
    "a job of no time": (
        {"expectedJobSeconds": 0},
        "spec.expectedJobSeconds",
        "expectedJobSeconds is below 1: give a first guess",
    ),
    "a window of stabilisation of two days": (
        {"scaling": {"stabilizationSeconds": 172800}},
        "spec.scaling.stabilizationSeconds",
        "above a day: give at most 86400 seconds",
    ),
    "the operator's deletion cost in the template": (
        {"template": {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "5"}}}},
        "spec.template.metadata.annotations",
        "by which the operator names the pods to end first: remove it",
    ),
    "an unknown field": ({"minReplicas": 1}, "spec.minReplicas", "unknown field"),
}


@pytest.fixture(scope="module")
def answers(kubectl: Kubectl) -> dict[str, str]:
    """What the API server says to each of them; a few kubectl processes, not one each."""
    named = {f"refused-{number}": key for number, key in enumerate(REFUSED)}
    items = [
        json.loads(manifest(VALID | REFUSED[key][0], name=name))
        for name, key in named.items()
        if key != "an unknown field"  # the answer to that one names no object
    ]
    together = {"apiVersion": "v1", "kind": "List", "items": items}
    # Without kubectl's own check, which says less and looks at the first wrong type only.
    said = kubectl.run("create", "--dry-run=server", "--validate=ignore", "-f", "-", stdin=json.dumps(together))
    unknown = manifest(VALID | REFUSED["an unknown field"][0])
    apart = kubectl.run("create", "--dry-run=server", "-f", "-", stdin=unknown)
    assert said.returncode != 0
    assert "created" not in said.stdout + apart.stdout
    answers = {"an unknown field": apart.stderr}
    for part in said.stderr.split("WorkerPool.bullpen.dev ")[1:]:
        name, _, text = part.partition(" is invalid:")
        answers[named[name.strip('"')]] = text
    return answers


@pytest.mark.parametrize("mistake", REFUSED)
def test_refuses(answers: dict[str, str], mistake: str) -> None:
    _, field, sentence = REFUSED[mistake]

    assert field in answers[mistake]
    assert sentence in answers[mistake]


@pytest.mark.parametrize("missing", ["queue", "image", "redis"])
def test_refuses_a_spec_without(kubectl: Kubectl, missing: str) -> None:
    spec = {key: value for key, value in VALID.items() if key != missing}

    done = kubectl.run("create", "--dry-run=server", "-f", "-", stdin=manifest(spec))

    assert done.returncode != 0
    assert f"spec.{missing}: Required value" in done.stderr


def test_refuses_a_name_that_is_no_label(kubectl: Kubectl) -> None:
    done = kubectl.run("create", "--dry-run=server", "-f", "-", stdin=manifest(VALID, name="x" * 64))

    assert done.returncode != 0
    assert "becomes a label of the pods: choose a shorter name" in done.stderr


def test_takes_what_is_allowed_to_its_edge(kubectl: Kubectl) -> None:
    template = worker(command=["node", "worker.js"], env=[{"name": "DATABASE_URL", "value": "x"}])
    spec = VALID | {
        "queue": "a" * 255,
        "redis": {
            "url": "rediss+sentinel://user:secret@[::1]:26379,s2/mymaster/2",
            "tls": {"caFrom": BY_SECRET["urlFrom"]},
        },
        "concurrency": 10000,
        "resources": {"requests": {"cpu": 1, "memory": "1.5Gi"}, "limits": {"memory": "1e9"}},
        "env": [{"name": f"V{number}", "value": ""} for number in range(200)],
        "template": template,
        "scaling": {"minReplicas": 2, "maxReplicas": 2},
        "drain": {"seconds": 0},
        "replicas": 0,
    }

    done = kubectl.run("create", "--dry-run=server", "-f", "-", stdin=manifest(spec, name="x" * 63))

    assert done.returncode == 0, done.stderr


def test_fills_in_the_defaults(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(VALID, name="defaults"))

    spec = kubectl.get("workerpool", "defaults")["spec"]

    assert spec == VALID | {
        "redis": VALID["redis"] | {"cluster": False},
        "prefix": "bull",
        "concurrency": 10,
        "scaling": {
            "minReplicas": 0,
            "maxReplicas": 10,
            "idleSeconds": 60,
            "paused": "None",
            "stabilizationSeconds": 120,
            "thresholds": {"queueLength": 100, "waitSeconds": 60, "cpuPercent": 80},
            "waitObjective": {"seconds": 30, "percentile": 99},
        },
        "drain": {"seconds": 300, "strict": True, "protectFromConsolidation": True},
        "podDisruptionBudget": {"enabled": True},
        "expectedJobSeconds": 1,
    }


def test_scales_by_the_subresource_within_the_maximum(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(VALID, name="scaled"))

    kubectl("scale", "wp/scaled", "--replicas=3")
    assert kubectl.get("workerpool", "scaled")["spec"]["replicas"] == 3
    assert kubectl.get("workerpool", "scaled", "--subresource=scale")["spec"]["replicas"] == 3

    refused = kubectl.run("scale", "wp/scaled", "--replicas=11")
    assert refused.returncode != 0
    assert "which a pin never overrides" in refused.stderr

    kubectl("patch", "wp", "scaled", "--type=merge", '--patch={"spec": {"replicas": null}}')
    assert "replicas" not in kubectl.get("workerpool", "scaled")["spec"]


def test_takes_the_status_that_the_operator_writes(kubectl: Kubectl) -> None:
    """Nothing of it is pruned or refused, and its columns show it."""
    kubectl("apply", "-f", "-", stdin=manifest(VALID, name="shown"))
    observed = reading(waiting=68, due=2, active=4, oldest_wait_seconds=12.5)
    shown = pool()
    decision = plan(rules=Rules.of(shown.spec), reading=observed, fleet=fleet(2), memory=Memory(), now=NOW)
    seen = fleet(8, ready=2, busy=2, draining=1)
    view = View(pool=shown, fleet=seen, reading=observed, applied=True, obstacle=None, decision=decision, now=NOW)
    status = status_of(view)
    head = {"apiVersion": "bullpen.dev/v1alpha1", "kind": "WorkerPool", "metadata": {"name": "shown"}}

    words = ("apply", "--server-side", "--subresource=status", "--field-manager=test", "-f", "-")
    kubectl(*words, stdin=json.dumps({**head, "status": status}))

    assert kubectl.get("workerpool", "shown")["status"] == status
    row = kubectl("get", "wp", "shown", "--output=wide", "--no-headers").split()
    assert row[:8] == ["shown", "video", "2/8", "8", "68", "4", "12", "Backlog"]


def test_explains_its_fields(kubectl: Kubectl) -> None:
    explained = " ".join(kubectl("explain", "workerpool.spec.scaling.thresholds").split())

    assert "waitSeconds <integer> Seconds the oldest job may wait" in explained


def test_lists_pools_among_all_with_their_columns(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(VALID, name="listed"))

    assert "workerpool.bullpen.dev/listed" in kubectl("get", "all", "--output=name")
    header = kubectl("get", "wp", "listed", "--output=wide").splitlines()[0].split()
    assert header == [
        "NAME", "QUEUE", "READY", "DESIRED", "WAITING", "ACTIVE", "OLDEST", "REASON", "AGE", "MIN", "MAX",
        "ARRIVALS", "SERVICE", "LIMITED-BY",
    ]  # fmt: skip
