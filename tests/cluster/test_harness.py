"""The life of the kind cluster itself: found well, given images, stopped, killed, removed, half-made.

The last tests of a run: they leave a healthy cluster behind, but an empty one.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hack.cluster import processes
from hack.cluster.dockerd import Dockerd
from hack.cluster.places import Places
from hack.cluster.residue import mounts_below
from hack.stage.kubectl import until

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.timeout(600)]

CHECKOUT = Path(__file__).parents[2]
PLACES = Places.of(os.environ)
HARNESS = (sys.executable, str(CHECKOUT / "hack/cluster"))
NODE_LABEL = "label=io.x-k8s.kind.cluster=bullpen"
NAMESPACE = "bullpen-harness"

REDIS = """
apiVersion: v1
kind: Service
metadata: {name: redis}
spec: {type: NodePort, selector: {app: redis}, ports: [{port: 6379}]}
---
apiVersion: v1
kind: Pod
metadata: {name: redis, labels: {app: redis}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: redis
    image: bullpen/redis:dev
    imagePullPolicy: Never
    command: [redis-server, --protected-mode, "no", --save, ""]
    readinessProbe: {tcpSocket: {port: 6379}, periodSeconds: 1}
"""


def harness(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """One command of the harness that must end with this code."""
    done = subprocess.run([*HARNESS, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def ask(*command: str, stdin: str = "", env: dict[str, str] | None = None) -> str:
    full = {**os.environ, **(env or {})}
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, env=full)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="module", autouse=True)
def environment() -> dict[str, str]:
    """A healthy cluster, and what `hack/cluster env` tells a shell about it."""
    harness("up")
    lines = shlex.split(harness("env").stdout)
    return dict(word.split("=", 1) for word in lines if word != "export")


@pytest.fixture
def docker(environment: dict[str, str]) -> Callable[..., str]:
    return lambda *words: ask("docker", *words, env=environment)


@pytest.fixture
def kubectl(environment: dict[str, str]) -> Callable[..., str]:
    return lambda *words, stdin="": ask("kubectl", *words, stdin=stdin, env=environment)


@pytest.fixture
def namespace(kubectl: Callable[..., str]) -> Iterator[str]:
    kubectl("create", "namespace", NAMESPACE)
    yield NAMESPACE
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=60s")


def nodes(docker: Callable[..., str]) -> list[str]:
    """The node containers' ids."""
    return docker("ps", "--all", "--no-trunc", "--quiet", "--filter", NODE_LABEL).split()


def is_ours() -> bool:
    """Whether the engine is one that the harness started, not the developer's."""
    return Dockerd.of(PLACES).pid() is not None


def test_up_leaves_a_healthy_cluster_as_it_is(docker: Callable[..., str], kubectl: Callable[..., str]) -> None:
    before = docker("inspect", "--format={{.Id}} {{.State.StartedAt}}", *nodes(docker))
    done = harness("up")
    assert "already up" in done.stderr
    assert docker("inspect", "--format={{.Id}} {{.State.StartedAt}}", *nodes(docker)) == before
    assert "healthy" in harness("status").stdout
    assert kubectl("get", "nodes", "--output=name") == "node/bullpen-control-plane"


def test_the_kubeconfig_is_a_file_of_its_own(environment: dict[str, str]) -> None:
    path = harness("kubeconfig").stdout.strip()
    assert environment["KUBECONFIG"] == path
    assert Path(path).is_relative_to(PLACES.root)
    assert Path(harness("tool", "kubectl").stdout.strip()).is_file()


def test_an_image_is_loaded_once_and_again_when_it_changed(tmp_path: Path) -> None:
    tag = "bullpen/harness-test:dev"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile content /\n")
    for content in ("first", f"second {time.time_ns()}"):
        (tmp_path / "content").write_text(content)
        assert harness("build", "-t", tag, str(tmp_path)).stdout.strip() == tag
        harness("load", tag)
        assert "have these images already" in harness("load", tag).stderr


def test_an_image_nobody_built_is_named() -> None:
    assert "bullpen/nobody-built-this:dev" in harness("load", "bullpen/nobody-built-this:dev", code=1).stderr


def test_the_machine_reaches_a_node_port(namespace: str, kubectl: Callable[..., str]) -> None:
    harness("build", "redis")
    harness("load", "redis")
    kubectl("apply", "-n", namespace, "-f", "-", stdin=REDIS)
    kubectl("wait", "-n", namespace, "pod/redis", "--for=condition=Ready", "--timeout=60s")
    host, port = harness("address", "-n", namespace, "redis").stdout.strip().split(":")

    def answers() -> bool:
        try:
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except ConnectionRefusedError:
            return False  # kube-proxy has not written the rule yet

    until(answers, "Redis to answer", within=10)
    assert "has no node port" in harness("address", "-n", "default", "kubernetes", code=1).stderr


def test_a_cut_off_kubeconfig_is_written_again(kubectl: Callable[..., str]) -> None:
    PLACES.kubeconfig.write_bytes(PLACES.kubeconfig.read_bytes()[:200])
    harness("status", code=1)
    harness("up")
    assert "Ready" in kubectl("get", "nodes")


def test_a_stopped_node_is_started_again_with_what_was_in_it(
    docker: Callable[..., str], kubectl: Callable[..., str], namespace: str
) -> None:
    before = nodes(docker)
    docker("kill", *before)
    assert "stopped" in harness("status", code=1).stdout
    harness("up")
    assert nodes(docker) == before
    assert kubectl("get", "namespace", namespace, "--output=name") == f"namespace/{namespace}"


def test_a_killed_engine_is_replaced_and_finds_its_cluster(docker: Callable[..., str]) -> None:
    engine = Dockerd.of(PLACES)
    pid = engine.pid()
    if pid is None:
        pytest.skip("the Docker engine is the developer's, which no test may kill")
    before = nodes(docker)
    os.kill(pid, signal.SIGKILL)
    assert processes.end([pid], with_signal=signal.SIGKILL, within=10)
    assert "none answers; ours was killed" in harness("status", code=1).stdout
    harness("up")
    assert engine.pid() not in (None, pid)
    assert nodes(docker) == before


def test_after_down_nothing_is_left_and_after_an_interrupted_up_the_next_one_finishes(
    docker: Callable[..., str],
) -> None:
    ours = is_ours()
    harness("down")
    harness("status", code=1)
    harness("kubeconfig", code=1)
    if ours:
        assert Dockerd.of(PLACES).pid() is None
        assert processes.of_directory(PLACES.docker) == set()
        assert mounts_below(PLACES.root, Path("/proc/self/mounts").read_text()) == []
        assert not Path("/sys/class/net/docker0").exists()
        assert "DOCKER" not in ask("iptables", "-S") + ask("iptables", "-t", "nat", "-S")

    first = subprocess.Popen((*HARNESS, "up"), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: has_node(docker), "kind to make the node's container", within=120, every=0.1)
    first.terminate()
    assert first.wait(10) == 128 + signal.SIGTERM
    assert "half-made" in harness("status", code=1).stdout
    harness("up")
    assert "healthy" in harness("status").stdout
    assert len(nodes(docker)) == 1


def has_node(docker: Callable[..., str]) -> bool:
    try:
        return bool(nodes(docker))
    except AssertionError:
        return False  # the engine does not answer yet
