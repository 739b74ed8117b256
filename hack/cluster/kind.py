"""The kind cluster named `bullpen`: looked at, made, repaired, removed, and given images."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import node_image
import tools
from engine import Engine
from health import Condition, Container, Record, Sight, Verdict, diagnose
from keys import key_of
from places import Places
from steps import CommandFailed, HarnessError, Steps, ask

NAME = "bullpen"
LABEL = f"io.x-k8s.kind.cluster={NAME}"
NETWORK = "kind"
DNS_PROBE = "/api/v1/namespaces/kube-system/services/kube-dns:9153/proxy/metrics"


def configuration(nodes: int) -> str:
    """The kind configuration. Pods are not evicted from a busy disk: kind itself sets the kubelet's disk thresholds to zero."""
    roles = ["control-plane", *["worker"] * (nodes - 1)]
    lines = [
        "kind: Cluster",
        "apiVersion: kind.x-k8s.io/v1alpha4",
        f"name: {NAME}",
        "networking: {apiServerAddress: 127.0.0.1}",
        "nodes:",
    ]
    return "\n".join([*lines, *(f"- role: {role}" for role in roles), ""])


def definition(nodes: int) -> str:
    """The key of everything a cluster of this many nodes is made from."""
    return key_of(configuration(nodes), node_image.PUBLISHED, node_image.key())


def read_record(places: Places) -> Record | None:
    """What the last complete `up` made; None when there is no such note or it is cut off."""
    try:
        note = json.loads(places.record.read_text())
        return Record(
            definition=str(note["definition"]),
            image=str(note["image"]),
            containers={str(k): str(v) for k, v in note["containers"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def containers(engine: Engine) -> tuple[Container, ...]:
    """The cluster's node containers, running or not, by name."""
    listed = (
        engine.ask(
            "ps",
            "--all",
            "--no-trunc",
            "--filter",
            f"label={LABEL}",
            "--format",
            "{{.Names}} {{.ID}} {{.State}}",
        )
        or ""
    )
    rows = sorted(line.split() for line in listed.splitlines())
    return tuple(Container(name=row[0], id=row[1], running=row[2] == "running") for row in rows)


def ready_nodes(listing: dict[str, Any]) -> frozenset[str]:
    """The names of the Ready nodes in a `kubectl get nodes -o json`."""
    return frozenset(
        str(node["metadata"]["name"])
        for node in listing["items"]
        if any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in node.get("status", {}).get("conditions", [])
        )
    )


def renewed_since(listing: dict[str, Any], since: datetime) -> frozenset[str]:
    """The nodes whose kubelet renewed its lease after a time, in a `kubectl get leases -n kube-node-lease -o json`."""
    return frozenset(
        str(lease["metadata"]["name"])
        for lease in listing["items"]
        if lease.get("spec", {}).get("renewTime")
        and datetime.fromisoformat(lease["spec"]["renewTime"]) > since
    )


class Cluster:
    """The cluster in one engine, and the ways to change it. Every method that changes it expects the lock `cluster` to be held."""

    def __init__(self, steps: Steps, engine: Engine) -> None:
        self._steps = steps
        self._engine = engine
        self._places = steps.places

    def look(self, *, since: datetime | None = None) -> Sight:
        """Look at the cluster; with `since`, a node counts as ready only when its kubelet was heard of after that time."""
        sight = Sight(record=read_record(self._places), containers=containers(self._engine))
        if not sight.containers or not all(container.running for container in sight.containers):
            return sight
        nodes = self._kubectl("get", "nodes", "--output=json")
        if nodes is None:
            return sight
        ready = ready_nodes(json.loads(nodes))
        if since is not None:
            # After a restart the API server still tells the state of before, for as long as nobody corrects it.
            leases = self._kubectl("get", "leases", "--namespace=kube-node-lease", "--output=json")
            ready &= renewed_since(json.loads(leases), since) if leases is not None else frozenset()
        dns = self._kubectl("get", "--raw", DNS_PROBE) is not None
        return Sight(record=sight.record, containers=sight.containers, ready=ready, dns=dns)

    def up(self, nodes: int) -> Verdict:
        """Make a healthy cluster of so many nodes exist; returns what was found before."""
        found = diagnose(self.look(), definition(nodes))
        if found.condition is Condition.HEALTHY:
            return found
        if found.condition is not Condition.ABSENT:
            self._steps.say(f"the cluster is {found.condition}: {found.reason}")
        if self._cure(found, definition(nodes)):
            return found
        if found.condition is not Condition.ABSENT:
            with self._steps.step("removing it", "5 s"):
                self.remove()
        self._create(nodes)
        return found

    def _cure(self, found: Verdict, wanted: str) -> bool:
        """Try what leaves the cluster's contents as they are; False when it has to be made anew."""
        names = [container.name for container in containers(self._engine)]
        if found.condition is Condition.UNWELL:
            with self._steps.step("giving it time to recover", "10 s"):
                self._export_kubeconfig()
                if self._wait(wanted, since=None, within=20):
                    return True
        if found.condition not in (Condition.UNWELL, Condition.STOPPED):
            return False
        since = datetime.now(UTC)
        with self._steps.step("starting its nodes again", "30 s"):
            try:
                self._engine.run(self._steps, "restart", "--time=5", *names, timeout=120)
                self._export_kubeconfig()
            except CommandFailed:
                return False
            return self._wait(wanted, since=since, within=90)

    def _wait(self, wanted: str, *, since: datetime | None, within: float) -> bool:
        deadline = time.monotonic() + within
        while diagnose(self.look(since=since), wanted).condition is not Condition.HEALTHY:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        return True

    def _create(self, nodes: int) -> None:
        image = node_image.ensure(self._steps, self._engine)
        (kind,) = tools.ensure(self._steps, "kind")
        tools.ensure(self._steps, "kubectl")
        self._places.kubeconfig.with_name("kubeconfig.lock").unlink(
            missing_ok=True
        )  # of a kind that was killed; we hold our own lock
        with self._steps.step(
            f"creating the kind cluster {NAME} of {nodes} node{'s' if nodes > 1 else ''}",
            "40 s, 15 s more for each further node",
        ):
            words: list[str | Path] = [
                kind,
                "create",
                "cluster",
                "--name",
                NAME,
                "--image",
                image,
                "--config",
                "-",
                "--kubeconfig",
                self._places.kubeconfig,
            ]
            self._steps.run(
                [*words, "--wait", "2m"], timeout=600, env=self._env, stdin=configuration(nodes).encode()
            )
            made = Record(
                definition(nodes),
                image,
                {container.name: container.id for container in containers(self._engine)},
            )
            self._write(made)
            if not self._wait(made.definition, since=None, within=120):
                verdict = diagnose(self.look(), made.definition)
                self._places.record.unlink()
                raise HarnessError(
                    f"the new cluster does not become healthy: {verdict.reason}; `docker logs {NAME}-control-plane` of {self._engine.host} may tell why"
                )

    def _write(self, record: Record) -> None:
        half = self._places.record.with_suffix(".half")
        half.write_text(json.dumps(asdict(record)))
        half.replace(self._places.record)

    def remove(self) -> None:
        """Remove the nodes with their volumes, the note of them and the kubeconfig."""
        self._places.record.unlink(missing_ok=True)
        names = [container.name for container in containers(self._engine)]
        if names:
            self._engine.run(self._steps, "rm", "--force", "--volumes", *names, timeout=120)
        forget(self._places)
        if not self._engine.ask("ps", "--all", "--quiet", "--filter", f"network={NETWORK}"):
            self._engine.ask("network", "rm", NETWORK)

    def load(self, images: Sequence[str]) -> list[str]:
        """Put images of the engine into every node that does not have them; returns those that were loaded. Raises HarnessError for an unknown image."""
        ids = {}
        for image in images:
            found = self._engine.image_id(image)
            if found is None:
                raise HarnessError(
                    f"the Docker engine has no image {image}; build it first (python3 hack/cluster build)"
                )
            ids[image] = found
        names = [container.name for container in containers(self._engine) if container.running]
        if not names:
            raise HarnessError(
                "there is no running cluster to load images into; make one with: python3 hack/cluster up"
            )
        listings = [
            self._engine.ask("exec", name, "ctr", "--namespace=k8s.io", "images", "list") or ""
            for name in names
        ]
        missing = [
            image for image in images if not all(holds(listing, image, ids[image]) for listing in listings)
        ]
        if missing:
            (kind,) = tools.ensure(self._steps, "kind")
            with self._steps.step(f"loading {', '.join(missing)} into the nodes", "10 s"):
                self._steps.run(
                    [kind, "load", "docker-image", "--name", NAME, *missing], timeout=300, env=self._env
                )
        return missing

    def address(self, namespace: str, service: str) -> str:
        """HOST:PORT of a NodePort service for programs on this machine; raises HarnessError.

        The host is a node's address on the engine's network. On Linux the host has a route to it; where the engine lives in a virtual machine it
        has none, and `kubectl port-forward` is the way.
        """
        answer = self._kubectl(
            "get",
            "service",
            service,
            f"--namespace={namespace}",
            "--output=jsonpath={.spec.ports[0].nodePort}",
        )
        if answer is None:
            raise HarnessError(
                f"there is no service {service} in namespace {namespace}, or the cluster does not answer (python3 hack/cluster status)"
            )
        if not answer:
            raise HarnessError(
                f"service {service} in namespace {namespace} has no node port; give it `type: NodePort`"
            )
        node = next((container.name for container in containers(self._engine) if container.running), None)
        host = self.node_address(node) if node else None
        if not host:
            raise HarnessError(
                f"no node of the cluster has an address on the Docker network {NETWORK}; repair it with: python3 hack/cluster up"
            )
        return f"{host}:{answer}"

    def node_address(self, container: str) -> str | None:
        """A node's address on the engine's network."""
        return self._engine.ask(
            "inspect", "--format", f"{{{{.NetworkSettings.Networks.{NETWORK}.IPAddress}}}}", container
        )

    def _export_kubeconfig(self) -> None:
        (kind,) = tools.ensure(self._steps, "kind")
        forget_kubeconfig(self._places)
        ask(
            [kind, "export", "kubeconfig", "--name", NAME, "--kubeconfig", self._places.kubeconfig],
            timeout=60,
            env=self._env,
        )

    def _kubectl(self, *words: str) -> str | None:
        kubectl = tools.find(self._steps, "kubectl")
        if kubectl is None or not self._places.kubeconfig.exists():
            return None
        return ask(
            [kubectl, "--kubeconfig", self._places.kubeconfig, "--request-timeout=5s", *words], timeout=15
        )

    @property
    def _env(self) -> dict[str, str]:
        return {**self._engine.env, "KIND_EXPERIMENTAL_PROVIDER": "docker"}


def forget_kubeconfig(places: Places) -> None:
    """Remove the kubeconfig and the lock that an interrupted kind leaves next to it."""
    places.kubeconfig.unlink(missing_ok=True)
    places.kubeconfig.with_name("kubeconfig.lock").unlink(missing_ok=True)


def forget(places: Places) -> None:
    """Remove what tells of a cluster."""
    places.record.unlink(missing_ok=True)
    forget_kubeconfig(places)


def holds(listing: str, image: str, identity: str) -> bool:
    """Whether a node has an image under this name, given `ctr images list` and the engine's id of the image.

    containerd keeps each image twice, under its name and under its configuration's digest, which is the engine's id; both rows name the same
    manifest. An image rebuilt and loaded again leaves its old digest row behind, so having both rows is not enough.
    """
    targets = {row[0]: row[2] for row in (line.split() for line in listing.splitlines()) if len(row) > 2}
    return identity in targets and targets.get(full_name(image)) == targets[identity]


def full_name(image: str) -> str:
    """An image's name as containerd keeps it: `redis` is docker.io/library/redis:latest."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"library/{image}"
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        image = f"docker.io/{image}"
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"


def kubeconfig_of(places: Places) -> Path:
    """The cluster's kubeconfig; raises HarnessError when there is no finished cluster."""
    if read_record(places) is None or not places.kubeconfig.exists():
        raise HarnessError("there is no cluster, so no kubeconfig; make one with: python3 hack/cluster up")
    return places.kubeconfig
