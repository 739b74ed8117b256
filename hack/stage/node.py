"""The control plane's node of a kind cluster, from inside: its processes, its files, and its audit log.

`BULLPEN_NODE` names the container, when it is not the one of `hack/cluster`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hack.cluster.kind import AUDIT_LOGS, NAME
from hack.stage import audit
from hack.stage.kubectl import CommandFailed, harness

CONTAINER = os.environ.get("BULLPEN_NODE") or f"{NAME}-control-plane"
_CTR = "ctr --namespace=k8s.io"


@dataclass(frozen=True, slots=True)
class Node:
    """Runs commands in the node's container."""

    environment: dict[str, str]
    container: str = CONTAINER

    @classmethod
    def connect(cls) -> Node:
        """By way of the Docker engine that `hack/cluster` found or started."""
        exports = dict(word.split("=", 1) for word in shlex.split(harness("env")) if "=" in word)
        return cls({**os.environ, **exports})

    def shell(self, script: str, *, timeout: float = 60) -> str:
        """What a shell script prints there.

        Raises:
            CommandFailed: it ended with another exit code than 0.
        """
        command = ["docker", "exec", self.container, "sh", "-euc", script]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, env=self.environment
        )
        if done.returncode != 0:
            raise CommandFailed(command, done)
        return done.stdout

    def process(self, container: str) -> int:
        """Process 1 of a pod's container (`containerd://…`), by its number in the node."""
        (found,) = self._tasks(container.removeprefix("containerd://"))
        return found

    def kill(self, process: int, signal: str) -> None:
        self.shell(f"kill -{signal} {process}")

    def kubernetes(self, name: str = "") -> list[int]:
        """Process 1 of each container of Kubernetes' own pods; with a name, of those of that name."""
        wanted = {"io.kubernetes.pod.namespace": "kube-system", "io.cri-containerd.kind": "container"}
        wanted |= {"io.kubernetes.container.name": name} if name else {}
        labels = ",".join(f'labels."{label}"=={value}' for label, value in wanted.items())
        return self._tasks(*self.shell(f"{_CTR} containers list --quiet {shlex.quote(labels)}").split())

    def _tasks(self, *containers: str) -> list[int]:
        rows = [line.split() for line in self.shell(f"{_CTR} tasks list").splitlines()[1:]]
        return [int(row[1]) for row in rows if row[0] in containers and row[2] == "RUNNING"]

    @contextmanager
    def without_kubelet(self) -> Iterator[None]:
        """As long as the block lasts, nothing that ends is started again."""
        self.shell("systemctl stop kubelet")
        try:
            yield
        finally:
            self.shell("systemctl start kubelet")

    def audited(self, namespace: str) -> list[audit.Write]:
        """What operators wrote in a namespace, as far back as the log goes."""
        words = shlex.quote(f'"namespace":"{namespace}"')
        return audit.parse(self.shell(f"cat {AUDIT_LOGS}/*.log | grep -F {words} || true").splitlines())
