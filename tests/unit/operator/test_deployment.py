"""The Deployment of a pool: what is owned, what a template may change, and what a seen one says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bullpen_operator.api.pods import RESERVED_ENV
from bullpen_operator.cluster.deployment import TemplateRejectedError, fleet_of, intended, intent_of, owned_by
from bullpen_operator.scaling.observation import NO_FLEET, Fleet
from tests.unit.operator.facts import NOW, pool

GOLDEN = Path(__file__).parent / "golden"


def pod_of(**spec: Any) -> dict[str, Any]:
    pod: dict[str, Any] = intended(pool(**spec), replicas=1)["spec"]["template"]["spec"]
    return pod


def worker_of(**spec: Any) -> dict[str, Any]:
    worker: dict[str, Any] = pod_of(**spec)["containers"][0]
    return worker


def variables(**spec: Any) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in worker_of(**spec)["env"]}


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("bullpen-worker", {"app": "jobs:app", "concurrency": 5, "drain": {"seconds": 30}}),
        ("foreign-worker", {"redis": {"url": "redis://redis:6379/0"}}),
    ],
)
def test_is_what_the_golden_file_says(name: str, spec: dict[str, Any]) -> None:
    """The whole object, as it is sent. After a wanted change: write what this test prints into the file."""
    made = yaml.safe_dump(intended(pool(**spec), replicas=3), sort_keys=False)

    assert made == (GOLDEN / f"{name}.yaml").read_text()


class TestOwned:
    def test_the_pool_controls_it_without_blocking_its_own_deletion(self) -> None:
        made = intended(pool(), replicas=0)

        owner = made["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("WorkerPool", "video", "uid-1")
        assert (owner["controller"], owner["blockOwnerDeletion"]) == (True, False)
        assert owned_by(made, uid="uid-1")
        assert not owned_by(made, uid="uid-2")
        assert not owned_by({"metadata": {}}, uid="uid-1")

    @pytest.mark.parametrize("replicas", [0, 1, 7])
    def test_replicas_are_always_given(self, replicas: int) -> None:
        assert intended(pool(), replicas=replicas)["spec"]["replicas"] == replicas

    def test_the_grace_period_outlasts_the_drain(self) -> None:
        assert pod_of(drain={"seconds": 45})["terminationGracePeriodSeconds"] == 60

    def test_a_template_cannot_take_what_is_owned(self) -> None:
        """The CRD refuses it first; this is for objects that an older CRD let in."""
        template = {
            "metadata": {"labels": {"bullpen.dev/pool": "other"}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "worker", "image": "other", "env": [{"name": "QUEUE_NAME", "value": "b"}]}],
            },
        }

        made = intended(pool(template=template), replicas=1)["spec"]

        assert made["template"]["metadata"]["labels"]["bullpen.dev/pool"] == "video"
        assert made["selector"]["matchLabels"] == {"bullpen.dev/pool": "video"}
        assert made["template"]["spec"]["terminationGracePeriodSeconds"] == 315
        assert variables(template=template)["QUEUE_NAME"] == "video"
        assert worker_of(template=template)["image"] == "example/app:1"

    def test_every_reserved_variable_is_set_by_some_pool(self) -> None:
        plain = {"redis": {"url": "rediss://redis:6379", "cluster": True, "tls": TLS}}

        assert set(variables(app="jobs:app")) | set(variables(**plain)) == {*RESERVED_ENV, "LOG_FORMAT"}


TLS = {
    "caFrom": {"secretKeyRef": {"name": "redis-ca", "key": "ca.crt"}},
    "certFrom": {"secretKeyRef": {"name": "redis-client", "key": "cert"}},
    "keyFrom": {"secretKeyRef": {"name": "redis-client", "key": "key"}},
}


class TestRedis:
    def test_our_worker_reads_the_secret_as_a_file(self) -> None:
        secret = {"secretName": "bullpen-redis", "items": [{"key": "url", "path": "url"}]}

        assert variables(app="jobs:app")["REDIS_URL_FILE"] == "/run/bullpen/redis/url"
        assert "REDIS_URL" not in variables(app="jobs:app")
        assert {"name": "bullpen-redis", "secret": secret} in pod_of(app="jobs:app")["volumes"]

    def test_a_foreign_worker_gets_the_variable_too(self) -> None:
        assert variables()["REDIS_URL"] == {"secretKeyRef": {"name": "bullpen-redis", "key": "url"}}

    def test_a_plain_url_needs_no_secret(self) -> None:
        plain = {"url": "redis://redis:6379/0"}

        assert variables(redis=plain)["REDIS_URL"] == "redis://redis:6379/0"
        assert [volume["name"] for volume in pod_of(redis=plain)["volumes"]] == ["bullpen-tmp"]

    @pytest.mark.parametrize("app", ["jobs:app", None])
    def test_certificates_are_files_beside_each_other_whatever_secret_they_come_from(self, app: str | None) -> None:
        redis = {"url": "rediss://redis:6379", "tls": TLS}
        pod = pod_of(app=app, redis=redis)
        volume = next(each for each in pod["volumes"] if each["name"] == "bullpen-redis-tls")

        assert volume["projected"]["sources"] == [
            {"secret": {"name": "redis-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"secret": {"name": "redis-client", "items": [{"key": "cert", "path": "tls.crt"}]}},
            {"secret": {"name": "redis-client", "items": [{"key": "key", "path": "tls.key"}]}},
        ]
        mount = {"name": "bullpen-redis-tls", "mountPath": "/run/bullpen/redis-tls", "readOnly": True}
        assert mount in worker_of(app=app, redis=redis)["volumeMounts"]
        found = variables(app=app, redis=redis)
        assert found["REDIS_TLS_CA_FILE"] == "/run/bullpen/redis-tls/ca.crt"
        assert found["REDIS_TLS_CERT_FILE"] == "/run/bullpen/redis-tls/tls.crt"
        assert found["REDIS_TLS_KEY_FILE"] == "/run/bullpen/redis-tls/tls.key"

    def test_an_authority_alone_names_no_other_file(self) -> None:
        redis = {"url": "rediss://redis:6379", "tls": {"caFrom": TLS["caFrom"]}}

        assert {name for name in variables(redis=redis) if "TLS" in name} == {"REDIS_TLS_CA_FILE"}

    def test_a_cluster_is_told(self) -> None:
        assert variables(redis={"url": "redis://redis:6379", "cluster": True})["REDIS_CLUSTER"] == "true"
        assert "REDIS_CLUSTER" not in variables()

    def test_a_volume_of_the_template_cannot_take_the_certificates_name(self) -> None:
        template = {"spec": {"volumes": [{"name": "bullpen-redis-tls", "emptyDir": {}}]}}

        with pytest.raises(TemplateRejectedError, match="bullpen-redis-tls is the operator's own"):
            intended(pool(template=template), replicas=0)


class TestTemplate:
    def test_sidecars_volumes_and_scheduling_are_kept(self) -> None:
        template = {
            "metadata": {"annotations": {"a": "b"}, "labels": {"team": "media", "app.kubernetes.io/name": "render"}},
            "spec": {
                "serviceAccountName": "renderer",
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "volumes": [{"name": "models", "emptyDir": {}}],
                "initContainers": [{"name": "fetch", "image": "fetch:1"}],
                "containers": [
                    {"name": "proxy", "image": "proxy:1"},
                    {"name": "worker", "volumeMounts": [{"name": "models", "mountPath": "/models"}]},
                ],
            },
        }

        made = intended(pool(template=template), replicas=1)["spec"]["template"]

        assert made["metadata"]["annotations"] == {"a": "b"}
        assert made["metadata"]["labels"]["team"] == "media"
        assert made["metadata"]["labels"]["app.kubernetes.io/name"] == "render"
        pod = made["spec"]
        assert pod["serviceAccountName"] == "renderer"
        assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
        assert pod["initContainers"] == [{"name": "fetch", "image": "fetch:1"}]
        assert [container["name"] for container in pod["containers"]] == ["worker", "proxy"]
        assert {volume["name"] for volume in pod["volumes"]} == {"models", "bullpen-tmp", "bullpen-redis"}
        mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounts == {"/models", "/tmp", "/run/bullpen/redis"}

    @pytest.mark.parametrize(
        "added",
        [
            {
                "affinity": {
                    "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}
                }
            },
            {"tolerations": [{"key": "gpu", "operator": "Exists"}, {"key": "spot", "operator": "Exists"}]},
            {
                "topologySpreadConstraints": [
                    {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
                ]
            },
            {"imagePullSecrets": [{"name": "registry"}]},
            {"serviceAccountName": "renderer", "automountServiceAccountToken": True},
            {"nodeSelector": {"gpu": "true"}, "priorityClassName": "batch", "runtimeClassName": "gvisor"},
            {"initContainers": [{"name": "fetch", "image": "fetch:1", "env": [{"name": "A", "value": "b"}]}]},
            {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db"]}], "dnsConfig": {"ndots": 2}},
        ],
        ids=lambda added: next(iter(added)),
    )
    def test_what_the_operator_does_not_set_is_passed_on_as_it_is(self, added: dict[str, Any]) -> None:
        made = pod_of(template={"spec": added})

        assert made | added == made
        assert [container["name"] for container in made["containers"]] == ["worker"]

    @pytest.mark.parametrize(
        "added",
        [
            {"envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}}]},
            {"command": ["node", "worker.js"], "args": ["--verbose"], "workingDir": "/srv"},
            {"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}},
            {"readinessProbe": {"tcpSocket": {"port": 80}}},
            {"volumeDevices": [{"name": "disk", "devicePath": "/dev/xvda"}], "imagePullPolicy": "Always"},
        ],
        ids=lambda added: next(iter(added)),
    )
    def test_the_workers_container_takes_what_the_operator_does_not_set(self, added: dict[str, Any]) -> None:
        template = {"spec": {"containers": [{"name": "worker", **added}]}}

        made = worker_of(app="jobs:app", template=template)

        assert made | added == made
        assert variables(app="jobs:app", template=template)["QUEUE_NAME"] == "video"

    def test_variables_of_the_template_stand_beside_those_of_the_operator(self) -> None:
        """A variable from a ConfigMap (envFrom) never overrules one of `env`: QUEUE_NAME stays what the spec says."""
        env = [{"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}]
        template = {
            "spec": {"containers": [{"name": "worker", "env": env, "envFrom": [{"configMapRef": {"name": "c"}}]}]}
        }

        assert variables(template=template)["DATABASE_URL"] == {"secretKeyRef": {"name": "db", "key": "url"}}
        assert variables(template=template)["QUEUE_NAME"] == "video"

    def test_a_probe_replaces_ours_whole(self) -> None:
        probe = {"exec": {"command": ["true"]}}
        template = {"spec": {"containers": [{"name": "worker", "livenessProbe": probe}]}}

        made = worker_of(app="jobs:app", template=template)

        assert made["livenessProbe"] == probe
        assert made["readinessProbe"]["httpGet"]["path"] == "/readyz"

    def test_security_contexts_can_be_loosened_field_by_field(self) -> None:
        context = {"readOnlyRootFilesystem": False}
        template = {"spec": {"containers": [{"name": "worker", "securityContext": context}]}}

        made = worker_of(template=template)["securityContext"]

        assert made["readOnlyRootFilesystem"] is False
        assert made["allowPrivilegeEscalation"] is False

    def test_a_volume_of_the_users_own_can_be_tmp(self) -> None:
        mounts = [{"name": "scratch", "mountPath": "/tmp"}]
        template = {
            "spec": {
                "volumes": [{"name": "scratch", "emptyDir": {"medium": "Memory"}}],
                "containers": [{"name": "worker", "volumeMounts": mounts}],
            }
        }

        assert {"name": "scratch", "mountPath": "/tmp"} in worker_of(template=template)["volumeMounts"]
        assert [m["mountPath"] for m in worker_of(template=template)["volumeMounts"]].count("/tmp") == 1

    def test_the_specs_variables_win_over_the_templates(self) -> None:
        template = {"spec": {"containers": [{"name": "worker", "env": [{"name": "A", "value": "template"}]}]}}
        env = [{"name": "A", "value": "spec"}, {"name": "LOG_FORMAT", "value": "text"}]

        assert variables(template=template, env=env)["A"] == "spec"
        assert variables(template=template, env=env)["LOG_FORMAT"] == "text"

    @pytest.mark.parametrize(
        ("template", "sentence"),
        [
            ({"spec": {"volumes": {"name": "a"}}}, "template.spec.volumes must be a list"),
            ({"spec": {"volumes": [{"emptyDir": {}}]}}, "template.spec.volumes[0] must be an object with a name"),
            ({"spec": {"securityContext": "none"}}, "template.spec.securityContext must be an object, not 'none'"),
            (
                {"spec": {"volumes": [{"name": "bullpen-redis", "emptyDir": {}}]}},
                "the volume name bullpen-redis is the operator's own; choose another",
            ),
            (
                {"spec": {"containers": [{"name": "x", "volumeMounts": [{"name": "a", "mountPath": "/run/bullpen"}]}]}},
                "the container x mounts /run/bullpen, but the operator keeps /run/bullpen for itself",
            ),
        ],
        ids=["no list", "no name", "no object", "a taken volume", "a taken path"],
    )
    def test_what_cannot_be_merged_is_refused_with_the_place(self, template: dict[str, Any], sentence: str) -> None:
        with pytest.raises(TemplateRejectedError) as refused:
            intended(pool(template=template), replicas=1)

        assert sentence in str(refused.value)


class TestConditionsOfADeployment:
    """What the Deployment's own conditions say, in Kubernetes' words."""

    QUOTA = (
        'pods "video-6c9f-x2x7p" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=3, limited: pods=3'
    )

    def deployment(self, **condition: str) -> dict[str, Any]:
        status = {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "conditions": [condition]}
        return {"metadata": {"generation": 1}, "spec": {"replicas": 5}, "status": status}

    def test_a_quota_is_no_stalled_rollout_and_named_without_the_pod_that_never_was(self) -> None:
        seen = fleet_of(
            self.deployment(type="ReplicaFailure", status="True", reason="FailedCreate", message=self.QUOTA)
        )

        assert not seen.stalled
        assert seen.quota_message == "exceeded quota: tight, requested: pods=1, used: pods=3, limited: pods=3"

    def test_another_refusal_of_pods_is_a_stalled_rollout(self) -> None:
        message = 'pods "video-6c9f-x2x7p" is forbidden: violates PodSecurity "restricted:latest"'
        seen = fleet_of(self.deployment(type="ReplicaFailure", status="True", message=message))

        assert (seen.stalled, seen.stalled_message, seen.quota_message) == (True, message, "")

    def test_since_when_no_pod_is_available_is_read(self) -> None:
        since = "2027-01-15T08:00:00Z"
        assert fleet_of(self.deployment(type="Available", status="True")).unavailable_since is None
        gone = fleet_of(self.deployment(type="Available", status="False", lastTransitionTime=since))
        assert gone.unavailable_since == NOW


class TestIntent:
    def test_stays_the_same_whatever_the_number(self) -> None:
        assert intent_of(intended(pool(), replicas=1)) == intent_of(intended(pool(), replicas=9))

    @pytest.mark.parametrize(
        "change", [{"image": "example/app:2"}, {"concurrency": 3}, {"env": [{"name": "A"}]}], ids=str
    )
    def test_changes_with_the_spec(self, change: dict[str, Any]) -> None:
        assert intent_of(intended(pool(), replicas=1)) != intent_of(intended(pool(**change), replicas=1))

    @pytest.mark.parametrize("change", [{"scaling": {"maxReplicas": 3}}, {"replicas": 2}], ids=str)
    def test_stays_the_same_when_only_the_scaling_changes(self, change: dict[str, Any]) -> None:
        assert intent_of(intended(pool(), replicas=1)) == intent_of(intended(pool(**change), replicas=1))

    def test_is_missing_on_what_others_made(self) -> None:
        assert intent_of({"metadata": {"annotations": None}}) is None


class TestFleet:
    def seen(self, **status: Any) -> Fleet:
        usual = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3}
        return fleet_of({"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": usual | status})

    def test_without_a_deployment_there_is_none(self) -> None:
        assert fleet_of(None) is NO_FLEET

    def test_a_settled_one(self) -> None:
        fleet = self.seen()

        assert (fleet.exists, fleet.replicas, fleet.pods, fleet.ready, fleet.updated) == (True, 3, 3, 3, 3)
        assert (fleet.rolling, fleet.observed, fleet.stalled) == (False, True, False)

    def test_one_that_was_just_made(self) -> None:
        fleet = fleet_of({"metadata": {"generation": 1}, "spec": {"replicas": 0}})

        assert (fleet.pods, fleet.ready, fleet.observed, fleet.rolling) == (0, 0, False, False)

    def test_one_that_replaces_its_pods(self) -> None:
        assert self.seen(replicas=4, updatedReplicas=1).rolling

    def test_one_whose_change_nobody_has_seen(self) -> None:
        assert not self.seen(observedGeneration=1).observed

    @pytest.mark.parametrize(
        "condition",
        [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"},
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "timed out"},
        ],
        ids=["late", "forbidden"],
    )
    def test_one_that_is_stuck(self, condition: dict[str, str]) -> None:
        fleet = self.seen(conditions=[{"type": "Available", "status": "False"}, condition])

        assert (fleet.stalled, fleet.stalled_message) == (True, "timed out")

    def test_one_that_progresses_is_not_stuck(self) -> None:
        fine = [{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}]

        assert not self.seen(conditions=fine).stalled
