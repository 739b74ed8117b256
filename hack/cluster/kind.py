"""The kind cluster named `bullpen`: looked at, made, repaired, removed, and given images."""

import json
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hack.cluster import node_image, record, tools
from hack.cluster.engine import Engine
from hack.cluster.health import Condition, Container, Sight, Verdict, diagnose, ready_nodes, renewed_since
from hack.cluster.keys import key_of
from hack.cluster.node_content import holds
from hack.cluster.places import HARNESS
from hack.cluster.steps import CommandFailed, HarnessError, Steps, ask

NAME = "bullpen"
LABEL = f"io.x-k8s.kind.cluster={NAME}"
NETWORK = "kind"
DNS_PROBE = "/api/v1/namespaces/kube-system/services/kube-dns:9153/proxy/metrics"
AUDIT_POLICY = HARNESS / "audit-policy.yaml"
AUDIT_LOGS = "/var/log/bullpen-audit"
"""Where the API server's audit log is inside the control plane's node: `audit.log`, and two older ones at most."""

_POLICY_INSIDE = "/etc/kubernetes/audit-policy.yaml"
_LOG_MEGABYTES, _OLDER_LOGS = 10, 2


def configuration(nodes: int, *, audit_policy: Path) -> str:
    """The kind configuration; the audit policy is a file of the machine.

    One control plane needs no leader election, and without it works again 15 s sooner after a restart. Nothing has to
    keep pods from being evicted off a busy disk: kind sets the kubelet's disk thresholds to zero itself.
    """
    lines = ["kind: Cluster", "apiVersion: kind.x-k8s.io/v1alpha4", f"name: {NAME}"]
    lines += [
        "networking: {apiServerAddress: 127.0.0.1}",
        "kubeadmConfigPatches:",
        "- |",
        "  kind: ClusterConfiguration",
    ]
    lines += [f'  {part}: {{extraArgs: {{leader-elect: "false"}}}}' for part in ("controllerManager", "scheduler")]
    lines += _audited()
    mount = f"{{hostPath: {json.dumps(str(audit_policy))}, containerPath: {_POLICY_INSIDE}, readOnly: true}}"
    lines += ["nodes:", "- role: control-plane", f"  extraMounts: [{mount}]"]
    return "\n".join([*lines, *["- role: worker"] * (nodes - 1), ""])


def _audited() -> list[str]:
    """The API server's part: arguments, and its pod's mounts of the node's files."""
    arguments = {
        "audit-policy-file": _POLICY_INSIDE,
        "audit-log-path": f"{AUDIT_LOGS}/audit.log",
        "audit-log-maxsize": str(_LOG_MEGABYTES),
        "audit-log-maxbackup": str(_OLDER_LOGS),
    }
    policy = {"name": "audit-policy", "hostPath": _POLICY_INSIDE, "mountPath": _POLICY_INSIDE, "readOnly": True}
    logs = {"name": "audit-logs", "hostPath": AUDIT_LOGS, "mountPath": AUDIT_LOGS}
    volumes = [policy | {"pathType": "File"}, logs | {"pathType": "DirectoryOrCreate"}]
    return [f"  apiServer: {json.dumps({'extraArgs': arguments, 'extraVolumes': volumes})}"]


def definition(nodes: int) -> str:
    """The key of everything a cluster of this many nodes is made from, wherever this checkout is."""
    made_from = configuration(nodes, audit_policy=Path(AUDIT_POLICY.name)), AUDIT_POLICY.read_text()
    return key_of(*made_from, node_image.PUBLISHED, node_image.key())


def containers(engine: Engine) -> tuple[Container, ...]:
    """The cluster's node containers, running or not, by name."""
    columns = ("--format", "{{.Names}} {{.ID}} {{.State}}")
    listed = engine.ask("ps", "--all", "--no-trunc", "--filter", f"label={LABEL}", *columns) or ""
    rows = sorted(line.split() for line in listed.splitlines())
    return tuple(Container(name=row[0], id=row[1], running=row[2] == "running") for row in rows)


class Cluster:
    """The cluster in one engine. Every method that changes it expects the lock `cluster` to be held."""

    def __init__(self, steps: Steps, engine: Engine) -> None:
        self._steps = steps
        self._engine = engine
        self._places = steps.places

    def look(self, *, since: datetime | None = None) -> Sight:
        """Look at the cluster; with `since`, a node is ready only when its kubelet was heard of after that time."""
        noted, nodes = record.read(self._places), containers(self._engine)
        if not nodes or not all(node.running for node in nodes):
            return Sight(record=noted, containers=nodes)
        listing = self._kubectl("get", "nodes", "--output=json")
        if listing is None:
            return Sight(record=noted, containers=nodes)
        ready = ready_nodes(json.loads(listing))
        if since is not None:
            # After a restart the API server goes on telling the state of before until somebody corrects it.
            leases = self._kubectl("get", "leases", "--namespace=kube-node-lease", "--output=json")
            ready &= renewed_since(json.loads(leases), since) if leases is not None else frozenset()
        dns = self._kubectl("get", "--raw", DNS_PROBE) is not None
        return Sight(record=noted, containers=nodes, ready=ready, dns=dns)

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
        since = datetime.now(UTC)
        match found.condition:
            case Condition.STOPPED:
                stopped = [node.name for node in containers(self._engine) if not node.running]
                with self._steps.step("starting its nodes again", "20 s"):
                    try:
                        self._engine.run(self._steps, "start", *stopped, timeout=120)
                    except CommandFailed:
                        return False  # a container whose network or volume is gone cannot be started
                    self._export_kubeconfig()
                    return self._wait(wanted, since=since, within=100)
            case Condition.UNWELL:
                # A node that was started a moment ago looks like one that will never come: give both the same time.
                with self._steps.step("giving it time to recover", "10 s to 1 min"):
                    self._export_kubeconfig()
                    return self._wait(wanted, since=since, within=75)
            case _:
                return False

    def _wait(self, wanted: str, *, since: datetime | None, within: float) -> bool:
        deadline = time.monotonic() + within
        while diagnose(self.look(since=since), wanted).condition is not Condition.HEALTHY:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        return True

    def _create(self, nodes: int) -> None:
        image = node_image.ensure(self._steps, self._engine)
        kind, _ = tools.ensure(self._steps, "kind", "kubectl")
        record.forget(self._places)
        doing = f"creating the kind cluster {NAME} of {nodes} node{'s' if nodes > 1 else ''}"
        with self._steps.step(doing, "40 s, 15 s more for each further node"):
            words: list[str | Path] = [
                kind,
                "create",
                "cluster",
                "--name",
                NAME,
                "--image",
                image,
                "--wait",
                "2m",
                "--config",
                "-",
            ]
            words += ["--kubeconfig", self._places.kubeconfig]
            # A copy, because the nodes outlive checkouts, and mount it anew whenever they start.
            shutil.copyfile(AUDIT_POLICY, self._places.audit_policy)
            stdin = configuration(nodes, audit_policy=self._places.audit_policy)
            self._steps.run(words, timeout=600, env=self._env, stdin=stdin.encode())
            made = {node.name: node.id for node in containers(self._engine)}
            record.write(self._places, record.Record(definition(nodes), image, made))
            if not self._wait(definition(nodes), since=None, within=120):
                reason = diagnose(self.look(), definition(nodes)).reason
                self._places.record.unlink()
                raise HarnessError(
                    f"the new cluster does not become healthy: {reason}; look at it with "
                    f"`docker --host {self._engine.host} logs {NAME}-control-plane`, or try `up` again"
                )

    def remove(self) -> None:
        """Remove the nodes with their volumes, the note of them, the kubeconfig and the unused network."""
        record.forget(self._places)
        names = [node.name for node in containers(self._engine)]
        if names:
            self._engine.run(self._steps, "rm", "--force", "--volumes", *names, timeout=120)
        if self._engine.own is not None:
            # What interrupted builds, and nodes that were removed by hand, left in an engine that serves nobody else.
            self._engine.ask("container", "prune", "--force", timeout=60)
            self._engine.ask("volume", "prune", "--force", timeout=60)
        if not self._engine.ask("ps", "--all", "--quiet", "--filter", f"network={NETWORK}"):
            self._engine.ask("network", "rm", NETWORK)

    def load(self, images: Sequence[str]) -> list[str]:
        """Put images of the engine into the nodes where one does not have them; returns those that were loaded.

        Raises HarnessError for an image the engine does not have.
        """
        ids = {image: self._engine.image_id(image) for image in images}
        unknown = [image for image, identity in ids.items() if identity is None]
        if unknown:
            raise HarnessError(
                f"the Docker engine has no image {unknown[0]}; build it first: python3 hack/cluster build"
            )
        names = [node.name for node in containers(self._engine) if node.running]
        if not names:
            raise HarnessError(
                "there is no running cluster to load images into; make one with: python3 hack/cluster up"
            )
        query = ("ctr", "--namespace=k8s.io", "images", "list")
        listings = [self._engine.ask("exec", name, *query) or "" for name in names]
        missing = [
            image
            for image, identity in ids.items()
            if not all(holds(listing, image, identity or "") for listing in listings)
        ]
        if missing:
            (kind,) = tools.ensure(self._steps, "kind")
            with self._steps.step(f"loading {', '.join(missing)} into the nodes", "10 s"):
                words: list[str | Path] = [kind, "load", "docker-image", "--name", NAME, *missing]
                self._steps.run(words, timeout=600, env=self._env)
        return missing

    def address(self, namespace: str, service: str) -> str:
        """HOST:PORT of a NodePort service for programs on this machine; raises HarnessError.

        The host is a node's address on the engine's network. On Linux the machine has a route to it; where the engine
        lives in a virtual machine it has none, and `kubectl port-forward` is the way.
        """
        query = ("--output=jsonpath={.spec.ports[0].nodePort}", f"--namespace={namespace}")
        port = self._kubectl("get", "service", service, *query)
        where = f"service {service} in namespace {namespace}"
        if port is None:
            raise HarnessError(f"there is no {where}, or the cluster does not answer: python3 hack/cluster status")
        if not port:
            raise HarnessError(f"{where} has no node port; give it `type: NodePort`")
        node = next((node.name for node in containers(self._engine) if node.running), None)
        host = self.node_address(node) if node else None
        if not host:
            raise HarnessError(f"no node has an address on the Docker network {NETWORK}: python3 hack/cluster up")
        return f"{host}:{port}"

    def node_address(self, container: str) -> str | None:
        """A node's address on the engine's network."""
        template = f"{{{{.NetworkSettings.Networks.{NETWORK}.IPAddress}}}}"
        return self._engine.ask("inspect", "--format", template, container)

    def _export_kubeconfig(self) -> None:
        """Write the kubeconfig anew, should it be lost or cut off; if that fails, the next look finds no API server."""
        (kind,) = tools.ensure(self._steps, "kind")
        record.forget_kubeconfig(self._places)
        words = (kind, "export", "kubeconfig", "--name", NAME, "--kubeconfig", self._places.kubeconfig)
        ask(words, timeout=60, env=self._env)

    def _kubectl(self, *words: str) -> str | None:
        kubectl = tools.find(self._steps, "kubectl")
        if kubectl is None or not self._places.kubeconfig.exists():
            return None
        return ask([kubectl, "--kubeconfig", self._places.kubeconfig, "--request-timeout=5s", *words], timeout=15)

    @property
    def _env(self) -> dict[str, str]:
        return {**self._engine.env, "KIND_EXPERIMENTAL_PROVIDER": "docker"}
