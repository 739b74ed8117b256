"""A Kubernetes of a few kinds of objects, in memory: as much of the API server's manners as the engine relies on."""

from __future__ import annotations

import copy
import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from bullpen_operator.cluster.port import ClusterError, Kind, Listing, Raw
from tests.unit.operator.facts import LONG

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULTED = {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler"}


class FakeCluster:
    """Implements `Cluster`. `calls` lists what was asked, `refusals[verb]` what the next calls of it raise."""

    def __init__(self) -> None:
        self.pools: dict[str, Raw] = {}
        self.deployments: dict[str, Raw] = {}
        self.budgets: dict[str, Raw] = {}
        self.pods: dict[str, Raw] = {}
        self.scalers: dict[str, Raw] = {}
        self.secrets: dict[str, dict[str, bytes] | ClusterError] = {}
        self.events: dict[str, Raw] = {}
        self.calls: list[tuple[str, str]] = []
        self.refusals: dict[str, list[ClusterError]] = defaultdict(list)
        self._versions = itertools.count(1000)
        self._uids = itertools.count(1)

    # What tests do to it.

    def add_pool(self, name: str = "video", **spec: Any) -> Raw:
        redis = {"url": "redis://redis:6379/0"}
        smallest = {"queue": name, "image": "example/app:1", "redis": redis, "expectedJobSeconds": LONG}
        pool = {"metadata": self._metadata(name), "spec": smallest | spec}
        self.pools[name] = pool
        return copy.deepcopy(pool)

    def edit_pool(self, name: str, **spec: Any) -> Raw:
        pool = self.pools[name]
        pool["spec"] |= spec
        pool["metadata"]["generation"] += 1
        return self._changed(pool)

    def add_deployment(self, name: str, *, owner: str | None = None) -> Raw:
        deployment: Raw = {"metadata": self._metadata(name), "spec": {"replicas": 3}}
        if owner is not None:
            deployment["metadata"]["ownerReferences"] = [{"kind": "X", "name": owner, "uid": owner, "controller": True}]
        self.deployments[name] = deployment
        return copy.deepcopy(deployment)

    def edit_deployment(self, name: str, **spec: Any) -> Raw:
        deployment = self.deployments[name]
        deployment["spec"] |= spec
        deployment["metadata"]["generation"] += 1
        return self._changed(deployment)

    def touch_deployment(self, name: str) -> Raw:
        return self._changed(self.deployments[name])

    def edit_budget(self, name: str, spec: Raw) -> Raw:
        budget = self.budgets[name]
        budget["spec"] = spec
        budget["metadata"]["generation"] += 1
        return self._changed(budget)

    def add_pod(self, name: str, *, pool: str = "video", phase: str = "Running", ready: bool = True) -> Raw:
        labels = {"bullpen.dev/pool": pool, "pod-template-hash": "5f"}
        owners = [{"kind": "ReplicaSet", "name": f"{pool}-5f", "uid": "uid-set", "controller": True}]
        pod: Raw = {
            "metadata": {**self._metadata(name), "labels": labels, "annotations": {}, "ownerReferences": owners},
            "spec": {"nodeName": "node"},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]},
        }
        self.pods[name] = pod
        return copy.deepcopy(pod)

    def edit_pod(self, name: str, **status: Any) -> Raw:
        self.pods[name]["status"] |= status
        return self._changed(self.pods[name])

    def restore(self, *, count_from: int) -> None:
        """As if etcd came back from a snapshot: versions are counted from there; what there is of objects stays."""
        self._versions = itertools.count(count_from)
        for pool in self.pools.values():
            self._changed(pool)

    def writes(self) -> list[str]:
        """The verbs of what was asked, but for lists."""
        return [verb for verb, _ in self.calls if verb not in ("list", "find")]

    # The protocol.

    async def list_all(self, kind: Kind, *, namespace: str | None) -> Listing:
        self._asked("list", kind.value)
        kept = {
            Kind.POOL: self.pools,
            Kind.DEPLOYMENT: self.deployments,
            Kind.BUDGET: self.budgets,
            Kind.POD: self.pods,
            Kind.SCALER: self.scalers,
        }
        return Listing(copy.deepcopy(list(kept[kind].values())), str(next(self._versions)))

    async def find_deployment(self, *, namespace: str, name: str) -> Raw | None:
        self._asked("find", name)
        return copy.deepcopy(self.deployments.get(name))

    async def apply_deployment(self, deployment: Raw, *, dry_run: bool = False) -> Raw:
        name = deployment["metadata"]["name"]
        self._asked("dry-run" if dry_run else "apply", name)
        was = self.deployments.get(name)
        if was is None:  # made whatever version is asked for
            was = {"metadata": self._metadata(name), "spec": {}}
        elif deployment["metadata"]["resourceVersion"] != was["metadata"]["resourceVersion"]:
            raise ClusterError(status=409, reason="Conflict", message="the object has been modified")
        now = copy.deepcopy(was)
        now["metadata"] |= copy.deepcopy(
            {key: deployment["metadata"][key] for key in ("labels", "annotations", "ownerReferences")}
        )
        now["spec"] = copy.deepcopy(deployment["spec"])
        now["spec"]["template"]["spec"] = DEFAULTED | now["spec"]["template"]["spec"]
        if now["spec"] != was["spec"]:
            now["metadata"]["generation"] += 1
        if dry_run:
            return now
        if now != was:
            self.deployments[name] = now
            return self._changed(now)
        return copy.deepcopy(was)

    async def scale_deployment(self, *, namespace: str, name: str, replicas: int, resource_version: str) -> Raw:
        self._asked("scale", name)
        if name not in self.deployments:
            raise ClusterError(status=404, reason="NotFound", message=f'deployments.apps "{name}" not found')
        deployment = self.deployments[name]
        if deployment["metadata"]["resourceVersion"] != resource_version:
            raise ClusterError(status=409, reason="Conflict", message="the object has been modified")
        return self.edit_deployment(name, replicas=replicas)

    async def write_budget(self, budget: Raw) -> Raw:
        name = budget["metadata"]["name"]
        self._asked("budget", name)
        version, was = budget["metadata"].get("resourceVersion"), self.budgets.get(name)
        if version is None and was is not None:
            raise ClusterError(status=409, reason="AlreadyExists", message=f'poddisruptionbudgets "{name}" exists')
        if version is not None and (was is None or was["metadata"]["resourceVersion"] != version):
            raise ClusterError(status=409, reason="Conflict", message="the object has been modified")
        now = copy.deepcopy(budget)
        now["metadata"] = (was or {"metadata": self._metadata(name)})["metadata"] | now["metadata"]
        now["metadata"]["generation"] += was is not None
        now["spec"] = {key: value for key, value in now["spec"].items() if value is not None}
        self.budgets[name] = now
        return self._changed(now)

    async def delete_budget(self, *, namespace: str, name: str, uid: str, resource_version: str) -> None:
        self._asked("delete-budget", name)
        if name not in self.budgets:
            raise ClusterError(status=404, reason="NotFound", message="gone")
        metadata = self.budgets[name]["metadata"]
        if (metadata["uid"], metadata["resourceVersion"]) != (uid, resource_version):
            raise ClusterError(status=409, reason="Conflict", message="precondition failed")
        del self.budgets[name]

    async def annotate_pod(
        self,
        *,
        namespace: str,
        name: str,
        uid: str,
        resource_version: str,
        annotations: Mapping[str, str | None],
    ) -> Raw:
        self._asked("annotate", name)
        pod = self.pods.get(name)
        if pod is None:
            raise ClusterError(status=404, reason="NotFound", message="gone")
        if (pod["metadata"]["uid"], pod["metadata"]["resourceVersion"]) != (uid, resource_version):
            raise ClusterError(status=409, reason="Conflict", message="the object has been modified")
        known = pod["metadata"]["annotations"] | dict(annotations)
        pod["metadata"]["annotations"] = {key: value for key, value in known.items() if value is not None}
        return self._changed(pod)

    async def apply_status(
        self, *, namespace: str, name: str, uid: str, resource_version: str, status: Mapping[str, Any]
    ) -> Raw:
        self._asked("status", name)
        pool = self.pools.get(name)
        if pool is None:
            raise ClusterError(status=404, reason="NotFound", message="gone")
        if pool["metadata"]["uid"] != uid:
            raise ClusterError(status=409, reason="Conflict", message="uid mismatch")
        if pool["metadata"]["resourceVersion"] != resource_version:
            raise ClusterError(status=409, reason="Conflict", message="the object has been modified")
        pool["status"] = copy.deepcopy(dict(status))
        return self._changed(pool)

    async def read_secret(self, *, namespace: str, name: str) -> Mapping[str, bytes]:
        self._asked("secret", name)
        secret = self.secrets.get(name, ClusterError(status=404, reason="NotFound", message="not found"))
        if isinstance(secret, ClusterError):
            raise secret
        return secret

    async def create_event(self, event: Raw) -> Raw:
        self._asked("event", event["reason"])
        self.events[event["metadata"]["name"]] = copy.deepcopy(event)
        return event

    async def patch_event(self, *, namespace: str, name: str, patch: Raw) -> Raw:
        self._asked("patch-event", name)
        if name not in self.events:
            raise ClusterError(status=404, reason="NotFound", message="expired")
        self.events[name] |= copy.deepcopy(patch)
        return self.events[name]

    def _asked(self, verb: str, what: str) -> None:
        self.calls.append((verb, what))
        if self.refusals[verb]:
            raise self.refusals[verb].pop(0)

    def _metadata(self, name: str) -> Raw:
        return {
            "name": name,
            "namespace": "media",
            "uid": f"uid-{next(self._uids)}",
            "generation": 1,
            "resourceVersion": str(next(self._versions)),
        }

    def _changed(self, raw: Raw) -> Raw:
        raw["metadata"]["resourceVersion"] = str(next(self._versions))
        return copy.deepcopy(raw)
