"""The Deployment of a pool: what it should be, and what a seen one says. Pure.

Three layers, each over the one before:

1. defaults: what a template may change: security contexts, probes, /tmp, the log format, the
   app.kubernetes.io labels of the pods;
2. the pool's template;
3. what the operator owns: names, selector, image, resources, the reserved variables, the Redis Secret, the
grace period. The CRD refuses templates that set them, so nothing is overruled in silence.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bullpen_operator.api.pods import POOL_LABEL, WORKER_CONTAINER
from bullpen_operator.api.pool import API_VERSION, KIND
from bullpen_operator.api.reasons import Reason
from bullpen_operator.cluster.merge import NotAPodError, merge
from bullpen_operator.scaling.observation import NO_FLEET, Fleet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen_operator.api.pool import WorkerPool, WorkerPoolSpec
    from bullpen_operator.api.redis import Redis

Raw = dict[str, Any]

METRICS_PORT: Final = 9464
GRACE_SECONDS: Final = 15
"""On top of drain.seconds, so that SIGKILL never races the hand-back of jobs."""

INTENT_ANNOTATION: Final = "bullpen.dev/intent"
"""On the Deployment: a digest of what the operator intended apart from the number of replicas.

An operator that starts compares digests instead of writing every Deployment again.
"""

REDIS_DIRECTORY: Final = "/run/bullpen/redis"
_REDIS_FILE: Final = "url"
_REDIS_VOLUME: Final = "bullpen-redis"
_TMP_VOLUME: Final = "bullpen-tmp"
_TLS_DIRECTORY: Final = "/run/bullpen/redis-tls"
_TLS_VOLUME: Final = "bullpen-redis-tls"
_TLS_FILES: Final = {
    "tls.caFrom": ("REDIS_TLS_CA_FILE", "ca.crt"),
    "tls.certFrom": ("REDIS_TLS_CERT_FILE", "tls.crt"),
    "tls.keyFrom": ("REDIS_TLS_KEY_FILE", "tls.key"),
}
_OUR_VOLUMES: Final = frozenset({_REDIS_VOLUME, _TLS_VOLUME, _TMP_VOLUME})
_EXCEEDED: Final = "exceeded quota"


class TemplateRejectedError(ValueError):
    """The pool's template cannot be used; the message says why and what to change."""

    reason = Reason.TEMPLATE_REJECTED


def intended(pool: WorkerPool, *, replicas: int) -> Raw:
    """The full Deployment for server-side apply, always with `replicas` in it (an apply without resets them
    to 1).

    Raises:
        TemplateRejectedError: the template is no pod template, or takes names that the operator needs.
    """
    spec = _spec(pool)
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": pool.metadata.name,
            "namespace": pool.metadata.namespace,
            "labels": labels_of(pool),
            "annotations": {INTENT_ANNOTATION: digest},
            "ownerReferences": [owner_of(pool)],
        },
        "spec": {"replicas": replicas, **spec},
    }


def owner_of(pool: WorkerPool) -> Raw:
    """The owner reference of what the pool owns."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": pool.metadata.name,
        "uid": pool.metadata.uid,
        "controller": True,
        # True would need `update` on the pool's finalizers (OwnerReferencesPermissionEnforcement) and gain
        # nothing.
        "blockOwnerDeletion": False,
    }


def labels_of(pool: WorkerPool) -> Raw:
    """The labels of what the pool owns, by which it is watched."""
    return {**_descriptive_labels(pool), POOL_LABEL: pool.metadata.name}


def intent_of(deployment: Mapping[str, Any]) -> str | None:
    """The digest on a Deployment, made or seen; None on one that the operator did not make."""
    annotations = deployment["metadata"].get("annotations") or {}
    digest: str | None = annotations.get(INTENT_ANNOTATION)
    return digest


def owned_by(deployment: Mapping[str, Any], *, uid: str) -> bool:
    """Whether the pool with that uid is the controller of the Deployment."""
    owners = deployment["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") and owner.get("uid") == uid for owner in owners)


def fleet_of(deployment: Mapping[str, Any] | None) -> Fleet:
    """What a Deployment, as the API server gives it, says of the pool's pods."""
    if deployment is None:
        return NO_FLEET
    status = deployment.get("status") or {}
    total, updated = status.get("replicas", 0), status.get("updatedReplicas", 0)
    conditions = status.get("conditions", [])
    trouble = [condition for condition in conditions if _is_trouble(condition)]
    return Fleet(
        exists=True,
        replicas=deployment["spec"].get("replicas", 1),
        pods=total,
        ready=status.get("readyReplicas", 0),
        updated=updated,
        rolling=updated < total,
        observed=status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
        stalled=bool(trouble),
        stalled_message=trouble[0].get("message", "") if trouble else "",
        quota_message=next((found for found in map(_quota, conditions) if found), ""),
        unavailable_since=next((since for since in map(_unavailable, conditions) if since is not None), None),
    )


def _is_trouble(condition: Mapping[str, Any]) -> bool:
    late = condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded"
    refused = condition["type"] == "ReplicaFailure" and condition["status"] == "True"
    return late or (refused and not _quota(condition))


def _quota(condition: Mapping[str, Any]) -> str:
    """The part of a refusal of pods that speaks of a ResourceQuota, without the name of a pod that never was."""
    if condition["type"] != "ReplicaFailure" or condition["status"] != "True":
        return ""
    return quota_in(condition.get("message", ""))


def quota_in(message: str) -> str:
    """From "exceeded quota" (the words of Kubernetes' quota admission) to the end of the message; "" without them."""
    at = message.find(_EXCEEDED)
    return message[at:] if at >= 0 else ""


def _unavailable(condition: Mapping[str, Any]) -> float | None:
    if condition["type"] != "Available" or condition["status"] == "True":
        return None
    since = condition.get("lastTransitionTime")
    return datetime.fromisoformat(since).timestamp() if since else None


def _spec(pool: WorkerPool) -> Raw:
    """The Deployment's spec without its replicas."""
    return {
        "selector": {"matchLabels": {POOL_LABEL: pool.metadata.name}},
        # A new pod is ready before an old one is asked to stop, so a rollout costs no throughput; a quarter
        # at a time (rounded up, so one for small pools) bounds what it costs in capacity.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
        # Rolling back means applying the pool's earlier spec; old ReplicaSets only serve to look at.
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": 600,
        "template": _template(pool),
    }


def _template(pool: WorkerPool) -> Raw:
    template = pool.spec.template
    try:
        under = merge(_defaults(pool), template)  # which finds what is no pod, before names are looked for in it
        _check_names(template)
        return merge(under, _owned(pool))
    except NotAPodError as error:
        raise TemplateRejectedError(f"spec.template cannot be used: {error}.") from error


def _check_names(template: Mapping[str, Any]) -> None:
    """What the schema leaves open and the operator needs for itself."""
    pod = template.get("spec") or {}
    taken = _OUR_VOLUMES & {volume["name"] for volume in pod.get("volumes") or ()}
    if taken:
        names = ", ".join(sorted(taken))
        raise NotAPodError(f"the volume name {names} is the operator's own; choose another")
    for container in pod.get("containers") or ():
        mounts = container.get("volumeMounts")  # of a sidecar, and so anything
        for mount in mounts if isinstance(mounts, list) else ():
            if isinstance(mount, dict) and str(mount.get("mountPath", "")).startswith("/run/bullpen"):
                raise NotAPodError(
                    f"the container {container['name']} mounts {mount['mountPath']}, but the "
                    f"operator keeps /run/bullpen for itself; "
                    "choose another path"
                )


def _descriptive_labels(pool: WorkerPool) -> Raw:
    return {
        "app.kubernetes.io/name": "bullpen-worker",
        "app.kubernetes.io/instance": pool.metadata.name,
        "app.kubernetes.io/managed-by": "bullpen-operator",
    }


def _defaults(pool: WorkerPool) -> Raw:
    """What stands where the template says nothing: Pod Security "restricted", and a worker's probes."""
    container: Raw = {
        "name": WORKER_CONTAINER,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "env": [{"name": "LOG_FORMAT", "value": "json"}],
        "volumeMounts": [{"name": _TMP_VOLUME, "mountPath": "/tmp"}],  # noqa: S108 (the pod's own, not this process's)
    }
    if pool.spec.app is not None:
        container |= {
            # Imports may take long, and are not hurried: five minutes. Looked at every second, because a
            # pool that comes from zero waits.
            "startupProbe": _probe("/startedz", periodSeconds=1, failureThreshold=300),
            "livenessProbe": _probe("/livez", periodSeconds=10, failureThreshold=3),
            "readinessProbe": _probe("/readyz", periodSeconds=5, failureThreshold=3),
        }
    return {
        "metadata": {"labels": _descriptive_labels(pool)},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }


def _probe(path: str, **timing: int) -> Raw:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 3, **timing}


def _owned(pool: WorkerPool) -> Raw:
    """What no template changes."""
    spec = pool.spec
    container: Raw = {
        "name": WORKER_CONTAINER,
        "image": spec.image,
        "resources": spec.resources,
        "env": [*_environment(spec), *spec.env],
    }
    if spec.app is not None:
        container["ports"] = [{"name": "http", "containerPort": METRICS_PORT, "protocol": "TCP"}]
    pod: Raw = {
        "terminationGracePeriodSeconds": spec.drain.seconds + GRACE_SECONDS,
        "containers": [container],
        "volumes": [{"name": _TMP_VOLUME, "emptyDir": {}}],
    }
    mounts = []
    for volume, directory in _secret_volumes(spec.redis):
        pod["volumes"].append(volume)
        mounts.append({"name": volume["name"], "mountPath": directory, "readOnly": True})
    if mounts:
        container["volumeMounts"] = mounts
    return {"metadata": {"labels": {POOL_LABEL: pool.metadata.name}}, "spec": pod}


def _secret_volumes(redis: Redis) -> list[tuple[Raw, str]]:
    """The Secrets that hold the URL and the certificates, each with the directory it is mounted at."""
    named = redis.secrets
    volumes: list[tuple[Raw, str]] = []
    url = named.pop("urlFrom", None)
    if url is not None:
        items = [{"key": url.key, "path": _REDIS_FILE}]
        volumes.append(({"name": _REDIS_VOLUME, "secret": {"secretName": url.name, "items": items}}, REDIS_DIRECTORY))
    if named:
        sources = [
            {"secret": {"name": secret.name, "items": [{"key": secret.key, "path": _TLS_FILES[field][1]}]}}
            for field, secret in named.items()
        ]
        volumes.append(({"name": _TLS_VOLUME, "projected": {"sources": sources}}, _TLS_DIRECTORY))
    return volumes


def _environment(spec: WorkerPoolSpec) -> list[Raw]:
    """The variables of docs/worker.md, the same for every worker, Bullpen's own or not."""
    values = {
        "MODE": "worker",
        "QUEUE_NAME": spec.queue,
        "QUEUE_PREFIX": spec.prefix,
        "QUEUE_CONCURRENCY": str(spec.concurrency),
        "DRAIN_SECONDS": str(spec.drain.seconds),
    }
    if spec.app is not None:
        values |= {"BULLPEN_APP": spec.app, "METRICS_PORT": str(METRICS_PORT)}
    fields = {"POD_NAME": "metadata.name", "POD_UID": "metadata.uid"}
    return [
        *({"name": name, "value": value} for name, value in values.items()),
        *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()),
        *_redis_environment(spec),
    ]


def _redis_environment(spec: WorkerPoolSpec) -> list[Raw]:
    """A file for our worker, which reads it again after a rotation; foreign workers know REDIS_URL only."""
    redis = spec.redis
    variables: list[Raw] = []
    if redis.url_from is None:
        variables.append({"name": "REDIS_URL", "value": redis.url})
    else:
        variables.append({"name": "REDIS_URL_FILE", "value": f"{REDIS_DIRECTORY}/{_REDIS_FILE}"})
        if spec.app is None:
            secret = redis.url_from.secret_key_ref
            reference = {"secretKeyRef": {"name": secret.name, "key": secret.key}}
            variables.append({"name": "REDIS_URL", "valueFrom": reference})
    if redis.cluster:
        variables.append({"name": "REDIS_CLUSTER", "value": "true"})
    files = [_TLS_FILES[field] for field in redis.secrets if field in _TLS_FILES]
    return [*variables, *({"name": name, "value": f"{_TLS_DIRECTORY}/{file}"} for name, file in files)]
