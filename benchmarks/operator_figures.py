"""What the operator costs while nothing happens, and how fast it wakes a pool, on a real API server and a real Redis.

    python benchmarks/operator_figures.py [--pools 100] [--idle-seconds 60] [--wakes 200] [--kubeconfig PATH]

Without --kubeconfig (or BULLPEN_KUBECONFIG) it takes the kind cluster of `hack/cluster up`. The operator runs here as a
process of its own and watches one namespace, which is made and removed again; pods of woken pools ask for a node that
does not exist and stay Pending.

Idle: requests, CPU and memory over the given time; writes are counted by what changed in the API server, not by what
the operator says. Wake: from before the job is added to when a watch shows the new number of replicas, at random
moments of the operator's tick.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes.aio import watch
from kubernetes.aio.client import ApiClient, AppsV1Api
from prometheus_client.parser import text_string_to_metric_families

from bullpen.client.connection import Link
from bullpen.protocol import QueueKeys
from bullpen.protocol.calls.add import add
from bullpen.protocol.calls.work import Finish, work
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.replies import Outcome
from bullpen_operator.cluster.access import access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).resolve().parents[1]
NAMESPACE = "bullpen-figures"
PENDING = {"spec": {"nodeSelector": {"bullpen.dev/no-such-node": "true"}}}
START_SECONDS = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Kubectl:
    """kubectl against one kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        found = shutil.which("kubectl")
        self._program = found or output("python3", "hack/cluster", "tool", "kubectl")

    def __call__(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        command = [self._program, "--kubeconfig", str(self._kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, check=False, timeout=300)
        if check and done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def versions(self) -> dict[str, str]:
        """resourceVersion of all that the operator may write: what is equal twice was not written in between."""
        found = json.loads(self("get", "workerpools,deployments,events.events.k8s.io", "-n", NAMESPACE, "-o", "json"))
        return {
            f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for item in found["items"]
            if item["kind"] != "Event" or "bullpen" in item.get("reportingController", "")
        }


def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout.strip()


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis of our own; gives its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bullpen-figures-") as directory:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(timeout=20)


class Operator:
    """The operator's process and its own numbers."""

    def __init__(self, kubeconfig: Path) -> None:
        self.port = free_port()
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "WATCH_NAMESPACE": NAMESPACE,
            "HTTP_PORT": str(self.port),
            "LOG_LEVEL": "warning",
        }
        self.started = time.monotonic()
        self.process = subprocess.Popen([str(Path(sys.executable).parent / "bullpen-operator")], env=environment)

    def metrics(self) -> dict[str, dict[tuple[str, ...], float]]:
        """Samples by name, then by the values of their labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in families:
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
        return found

    def await_ready(self) -> float:
        """Seconds from the start of the process to filled caches."""
        while time.monotonic() - self.started < START_SECONDS:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return time.monotonic() - self.started
            except OSError:
                time.sleep(0.02)
        raise SystemExit(f"the operator was not ready within {START_SECONDS:g} s")

    def stop(self) -> float:
        """Seconds from SIGTERM to the end."""
        begun = time.monotonic()
        self.process.terminate()
        self.process.wait(timeout=20)
        return time.monotonic() - begun


def pool(number: int, redis_url: str) -> dict[str, Any]:
    return {
        "apiVersion": "bullpen.dev/v1alpha1",
        "kind": "WorkerPool",
        "metadata": {"name": f"pool-{number}", "namespace": NAMESPACE},
        "spec": {
            "queue": f"queue-{number}",
            "image": "example/worker:1",
            "redis": {"url": redis_url},
            "template": PENDING,
            "scaling": {"minReplicas": 0, "maxReplicas": 1, "idleSeconds": 1},
        },
    }


async def quiet(kubectl: Kubectl, count: int) -> None:
    """Wait until every pool has its Deployment and status, and nothing was written for ten seconds."""
    deadline = time.monotonic() + START_SECONDS
    last, since = kubectl.versions(), time.monotonic()
    while time.monotonic() < deadline:
        await asyncio.sleep(1)
        now = kubectl.versions()
        if now != last or sum(key.startswith("Deployment/") for key in now) < count:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 10:
            return
    raise SystemExit(f"the pools did not come to rest within {START_SECONDS:g} s")


async def idle(kubectl: Kubectl, operator: Operator, seconds: float) -> dict[str, Any]:
    versions, before = kubectl.versions(), operator.metrics()
    begun, memory = time.monotonic(), 0.0
    while time.monotonic() - begun < seconds:
        await asyncio.sleep(min(5.0, seconds))
        memory = max(memory, *operator.metrics()["process_resident_memory_bytes"].values())
    after, elapsed = operator.metrics(), time.monotonic() - begun

    def grown(name: str) -> float:
        return sum(after.get(name, {}).values()) - sum(before.get(name, {}).values())

    changed = {key for key, version in kubectl.versions().items() if versions.get(key) != version}
    return {
        "seconds": round(elapsed, 1),
        "objects written": len(changed),
        "API requests by the write port": int(grown("bullpen_api_requests_total")),
        "CPU % of one core": round(100 * grown("process_cpu_seconds_total") / elapsed, 2),
        "memory MiB": round(memory / 2**20, 1),
        "Redis round trips a second": round(grown("bullpen_redis_round_trip_seconds_count") / elapsed, 2),
        "sweep ms, mean": round(
            1000 * grown("bullpen_sweep_lag_seconds_sum") / grown("bullpen_sweep_lag_seconds_count"), 2
        ),
    }


@asynccontextmanager
async def replicas(kubeconfig: Path) -> AsyncIterator[asyncio.Queue[tuple[str, int, float]]]:
    """Every new number of replicas: Deployment, number, when the watch showed it."""
    seen: asyncio.Queue[tuple[str, int, float]] = asyncio.Queue()
    async with ApiClient(await access(kubeconfig)) as client:

        async def follow() -> None:
            numbers: dict[str, int] = {}
            stream: Any = watch.Watch  # untyped
            async for event in stream().stream(AppsV1Api(client).list_namespaced_deployment, NAMESPACE):
                raw, now = event["raw_object"], time.monotonic()
                name, number = raw["metadata"]["name"], raw["spec"].get("replicas", 1)
                if numbers.get(name) != number:
                    numbers[name] = number
                    seen.put_nowait((name, number, now))

        task = asyncio.create_task(follow())
        try:
            yield seen
        finally:
            task.cancel()
            await asyncio.wait([task])


async def wakes(kubeconfig: Path, redis_url: str, *, pools: int, count: int) -> dict[str, Any]:
    """Wake pools at zero one after the other; each goes back to zero by itself before its turn comes again."""
    taken: list[float] = []
    async with replicas(kubeconfig) as seen, Link(RedisLocation.parse(redis_url)) as link:
        at_zero: set[str] = set()
        for turn in range(count):
            name = f"pool-{turn % pools}"
            keys = QueueKeys("bull", f"queue-{turn % pools}")
            async with asyncio.timeout(30):
                while name not in at_zero:
                    place, number, _ = await seen.get()
                    (at_zero.add if number == 0 else at_zero.discard)(place)
            await asyncio.sleep(random.uniform(0, 1))
            begun = time.monotonic()
            await link.run(add(keys, name="job", data="{}", now=int(time.time() * 1000)))
            async with asyncio.timeout(30):
                while name in at_zero:
                    place, number, when = await seen.get()
                    (at_zero.add if number == 0 else at_zero.discard)(place)
            taken.append(when - begun)
            claimed = await link.run(work(keys, now=int(time.time() * 1000), tokens=["t"]))
            done = Finish(job_id=claimed.claimed[0].job.id, token="t", outcome=Outcome.COMPLETED, value="null")
            await link.run(work(keys, now=int(time.time() * 1000), finishes=[done]))
    cut = statistics.quantiles(taken, n=100, method="inclusive")
    return {
        "wakes": len(taken),
        "p50 s": round(cut[49], 3),
        "p99 s": round(cut[98], 3),
        "worst s": round(max(taken), 3),
    }


async def measure(kubeconfig: Path, *, pools: int, idle_seconds: float, count: int) -> dict[str, Any]:
    kubectl = Kubectl(kubeconfig)
    kubectl("apply", "-f", str(ROOT / "crds"))
    kubectl("create", "namespace", NAMESPACE, check=False)
    with redis_server() as redis_url:
        operator = Operator(kubeconfig)
        try:
            operator.await_ready()
            listed = {"apiVersion": "v1", "kind": "List", "items": [pool(n, redis_url) for n in range(pools)]}
            kubectl("apply", "-f", "-", stdin=json.dumps(listed))
            await quiet(kubectl, pools)
            figures: dict[str, Any] = {"pools": pools, "idle": await idle(kubectl, operator, idle_seconds)}
            figures["wake"] = await wakes(kubeconfig, redis_url, pools=pools, count=count)
            await quiet(kubectl, pools)
            figures["stop s"] = round(operator.stop(), 2)
            versions = kubectl.versions()
            operator = Operator(kubeconfig)
            figures["start to filled caches s"] = round(operator.await_ready(), 2)
            await asyncio.sleep(10)
            figures["objects written by a restart"] = len(set(kubectl.versions().items()) - set(versions.items()))
            return figures
        finally:
            operator.stop()
            kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=int, default=100)
    parser.add_argument("--idle-seconds", type=float, default=60)
    parser.add_argument("--wakes", type=int, default=200)
    parser.add_argument("--kubeconfig", type=Path, default=os.environ.get("BULLPEN_KUBECONFIG"))
    options = parser.parse_args()
    kubeconfig = options.kubeconfig or Path(output("python3", "hack/cluster", "kubeconfig"))
    figures = asyncio.run(
        measure(Path(kubeconfig), pools=options.pools, idle_seconds=options.idle_seconds, count=options.wakes)
    )
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
