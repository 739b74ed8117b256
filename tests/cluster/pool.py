"""One WorkerPool under test, driven and seen as a user would: with kubectl and a Node program."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from hack.stage.kubectl import until
from hack.stage.ledger import Account
from hack.stage.producer import produce
from hack.stage.site import Site

START_SECONDS = 60.0
"""Within this a pod is expected to start and a change to show; generous, because two cores may be busy."""


@dataclass(frozen=True, slots=True)
class Pool:
    site: Site
    name: str
    queue: str
    prefix: str
    since: float = field(default_factory=time.time)
    """What the ledger wrote down before is another run's, whose jobs had the same ids."""

    def apply(self, spec: dict[str, Any]) -> None:
        metadata = {"name": self.name, "namespace": self.site.kubectl.namespace}
        manifest = {
            "apiVersion": "bullpen.dev/v1alpha1",
            "kind": "WorkerPool",
            "metadata": metadata,
            "spec": spec,
        }
        self.site.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def patch(self, spec: dict[str, Any]) -> None:
        self.site.kubectl("patch", "workerpool", self.name, "--type=merge", f"--patch={json.dumps({'spec': spec})}")

    def delete(self) -> None:
        self.site.kubectl("delete", "workerpool", self.name, "--ignore-not-found", "--timeout=60s")

    def produce(self, redis_url: str, count: int, *, seconds: float = 0.5, **options: Any) -> dict[str, float]:
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        return produce(
            redis_url,
            "--queue",
            self.queue,
            "--prefix",
            self.prefix,
            "--count",
            str(count),
            "--seconds",
            str(seconds),
            *words,
        )

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.site.kubectl.get("workerpool", self.name).get("status", {})
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        found = [condition for condition in self.status.get("conditions", []) if condition["type"] == kind]
        return found[0] if found else {}

    def await_condition(self, kind: str, status: str, reason: str | None = None) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            seen = self.condition(kind)
            return seen if seen.get("status") == status and reason in (None, seen.get("reason")) else None

        return until(
            look,
            f"{self.name}: {kind}={status} {reason or ''}; last: {self.condition(kind)}",
            within=START_SECONDS,
        )

    def deployment(self) -> dict[str, Any] | None:
        found = self.site.kubectl.get("deployments", f"--field-selector=metadata.name={self.name}")["items"]
        return found[0] if found else None

    @property
    def replicas(self) -> int:
        deployment = self.deployment()
        return deployment["spec"]["replicas"] if deployment else 0

    def pods(self) -> list[dict[str, Any]]:
        pods: list[dict[str, Any]] = self.site.kubectl.get("pods", f"--selector=bullpen.dev/pool={self.name}")["items"]
        return pods

    def await_pods(self, *, ready: int) -> list[dict[str, Any]]:
        def look() -> list[dict[str, Any]] | None:
            pods = [pod for pod in self.pods() if "deletionTimestamp" not in pod["metadata"]]
            up = [
                pod
                for pod in pods
                if all(c["ready"] for c in pod["status"].get("containerStatuses", [{"ready": False}]))
            ]
            return pods if len(up) == len(pods) == ready else None

        return until(look, f"{ready} ready pods of {self.name}", within=START_SECONDS)

    def await_gone(self, *, within: float = START_SECONDS) -> None:
        until(lambda: not self.pods() and self.replicas == 0, f"no pods of {self.name}", within=within)

    def account(self) -> Account:
        return self.site.ledger(f"{self.prefix}:{self.queue}", since=self.since)

    def await_ended(self, jobs: dict[str, float], *, within: float = 120.0) -> Account:
        """Waits until the ledger has heard of the end of each of these jobs."""
        until(
            lambda: set(jobs) <= self.account().ended,
            f"the end of {len(jobs)} jobs of {self.name}",
            within=within,
        )
        return self.account()

    def events(self) -> dict[str, str]:
        """Reasons of the pool's Events → the newest message of each."""
        selector = f"--field-selector=involvedObject.kind=WorkerPool,involvedObject.name={self.name}"
        return {event["reason"]: event["message"] for event in self.site.kubectl.get("events", selector)["items"]}

    def await_event(self, reason: str) -> str:
        return until(lambda: self.events().get(reason), f"an Event {reason} of {self.name}", within=START_SECONDS)
