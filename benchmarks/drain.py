"""Scale-downs under load on a real cluster, with trouble in the middle: is any job interrupted?

    python benchmarks/drain.py [--scale-downs 500] [--kills 50] [--unready 50] [--pauses 20] [--pools 2] [--namespace …]

Some pools are resized at random while jobs of 0.1 to 60 s keep coming. The operator of this checkout runs as a process
outside the cluster and is killed (SIGKILL) and started again, pods that run jobs are made unready, Redis is paused for
10 s, each at a random moment of a scale-down. The ledger, outside Redis and the workers, tells which jobs were cut off.
Needs the cluster of `hack/cluster` with the images quickstart and redis. Exits 1 when a job was interrupted or lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import redis.asyncio

from bullpen import App
from bullpen_operator.cluster.access import access
from bullpen_operator.cluster.fence import Fence
from bullpen_operator.cluster.kubernetes_cluster import KubernetesCluster
from bullpen_operator.cluster.port import ClusterError
from hack.stage import ledger
from hack.stage.kubectl import ROOT, Kubectl, harness
from hack.stage.site import APP_IMAGE, Site

MOST_PODS = 6
SLOTS = 3
PAUSE_SECONDS = 10
UNREADY = "/tmp/unready"
PATIENCE_SECONDS = 300.0
"""Longer than the longest job and a pause: a scale-down that takes longer is stuck, and that is told."""


@dataclass(slots=True)
class Tally:
    """What was done, and what went wrong."""

    wanted: Counter[str]
    done: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    @property
    def left(self) -> int:
        return self.wanted["scale-downs"] - self.done["scale-downs"]

    def take(self, trouble: str) -> bool:
        """Whether this scale-down is to have that trouble: so often that all of them are done by the end."""
        due = self.wanted[trouble] - self.done[trouble]
        if due <= 0 or random.random() >= due / max(1, self.left):
            return False
        self.done[trouble] += 1
        return True


class Operator:
    """The operator of this checkout, as a process that can be killed."""

    def __init__(self, kubeconfig: str, namespace: str, log: Path) -> None:
        self._environment = {
            **os.environ,
            "KUBECONFIG": kubeconfig,
            "WATCH_NAMESPACE": namespace,
            "LOG_FORMAT": "text",
            "HTTP_PORT": "0",
        }
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        self._log.unlink(missing_ok=True)
        await self._start()

    async def _start(self) -> None:
        program = Path(sys.executable).parent / "bullpen-operator"
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(program), env=self._environment, stdout=log, stderr=log
            )

    async def kill(self) -> None:
        async with self._lock:
            if self._process is not None:
                self._process.kill()
                await self._process.wait()
            await self._start()

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None


@dataclass(slots=True)
class Pool:
    """One pool, driven with kubectl."""

    kubectl: Kubectl
    cluster: KubernetesCluster
    name: str
    url: str

    def apply(self, replicas: int) -> None:
        probe = {
            "exec": {"command": ["test", "!", "-e", UNREADY]},
            "periodSeconds": 2,
            "timeoutSeconds": 5,
            "failureThreshold": 1,
        }
        spec = {
            "queue": "video-generation",
            "prefix": self.name,
            "concurrency": SLOTS,
            "image": APP_IMAGE,
            "app": "app:app",
            "redis": {"url": self.url},
            "env": [{"name": "LEDGER", "value": "ledger:7000"}],
            "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "256Mi"}},
            "template": {"spec": {"containers": [{"name": "worker", "readinessProbe": probe}]}},
            "scaling": {"maxReplicas": MOST_PODS, "idleSeconds": 5},
            "drain": {"seconds": 30},
            "replicas": replicas,
        }
        pool = {
            "apiVersion": "bullpen.dev/v1alpha1",
            "kind": "WorkerPool",
            "metadata": {"name": self.name},
            "spec": spec,
        }
        self.kubectl.apply(json.dumps(pool))

    def resize(self, replicas: int) -> None:
        patch = json.dumps({"spec": {"replicas": replicas}})
        words = ("patch", "workerpool", self.name, "--type=merge", f"--patch={patch}")
        for _ in range(9):
            if self.kubectl.run(*words).returncode == 0:
                return
            time.sleep(2)
        self.kubectl(*words)

    async def deployment(self) -> dict[str, Any]:
        while True:
            try:
                found = await self.cluster.find_deployment(namespace=self.kubectl.namespace, name=self.name)
            except ClusterError as error:
                print(f"the API server is away: {error}", file=sys.stderr)
                await asyncio.sleep(1)
            else:
                return found or {"spec": {"replicas": 0}, "status": {}}

    def delete(self) -> None:
        """And wait for its pods: the next pool of that name starts with none."""
        self.kubectl("delete", "workerpool", self.name, "--ignore-not-found")
        self.kubectl.run("wait", "pods", f"--selector=bullpen.dev/pool={self.name}", "--for=delete", "--timeout=110s")

    def pods(self) -> list[str]:
        listed = self.kubectl.get(
            "pods", f"--selector=bullpen.dev/pool={self.name}", "--field-selector=status.phase=Running"
        )
        return [pod["metadata"]["name"] for pod in listed["items"] if "deletionTimestamp" not in pod["metadata"]]

    def unready(self, pod: str, *, back: bool = False) -> None:
        self.kubectl.run("exec", pod, "-c", "worker", "--", *(("rm", "-f") if back else ("touch",)), UNREADY)


async def feed(pool: Pool, stop: asyncio.Event, rate: float) -> int:
    """Jobs of 0.1 to 60 s (log-uniform) at random moments, until told to stop; how many."""
    app = App(redis=pool.url, prefix=pool.name)
    added = 0
    async with app:
        queue = app.queue("video-generation")
        while not stop.is_set():
            seconds = 0.1 * 600 ** random.random()
            data = {"userId": "u", "scriptId": f"s-{added}", "seconds": round(seconds, 2)}
            try:
                await queue.add("generate", data)
                added += 1
            except Exception as error:  # noqa: BLE001 - while Redis is paused
                print(f"not added: {error}", file=sys.stderr)
            await asyncio.sleep(random.expovariate(rate))
    return added


async def shrink(pool: Pool, operator: Operator, tally: Tally, store: redis.asyncio.Redis) -> None:
    """From where it is to a smaller number, with what trouble the tally asks for."""
    spec = await pool.deployment()
    present = spec["spec"]["replicas"]
    if present < 2:
        await grow(pool, tally)
        present = MOST_PODS
    # Mostly one pod at a time, and now and then many: to grow again takes longest.
    wanted = random.choice([present - 1, present - 1, random.randint(1, present - 1)])
    started = time.monotonic()
    troubles = []
    running = await asyncio.to_thread(pool.pods)
    victim = random.choice(running) if running and tally.take("unready") else None
    async with asyncio.TaskGroup() as group:
        await asyncio.to_thread(pool.resize, wanted)
        if tally.take("kills"):
            troubles.append("kill")
            group.create_task(_later(operator.kill))
        if tally.take("pauses"):
            troubles.append("pause")
            group.create_task(_later(lambda: store.client_pause(PAUSE_SECONDS * 1000)))
        if victim is not None:
            troubles.append("unready")
            group.create_task(_later(lambda: asyncio.to_thread(pool.unready, victim)))
        ended = await _reached(pool, wanted)
    if victim is not None:
        await asyncio.to_thread(lambda: pool.unready(victim, back=True))
        if not ended:
            ended = await _reached(pool, wanted)
    tally.done["scale-downs"] += 1
    tally.seconds.append(time.monotonic() - started)
    told = f"{pool.name}: {present} → {wanted} in {tally.seconds[-1]:.0f} s {' '.join(troubles)}"
    print(f"[{tally.done['scale-downs']}] {told}", flush=True)
    if not ended:
        tally.stuck.append(told)


async def _later(act: Any) -> None:
    await asyncio.sleep(random.uniform(0, 6))
    await act()


async def _reached(pool: Pool, wanted: int, *, within: float = PATIENCE_SECONDS) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        deployment = await pool.deployment()
        if deployment["spec"]["replicas"] <= wanted and deployment["status"].get("replicas", 0) <= wanted:
            return True
        await asyncio.sleep(0.5)
    return False


async def grow(pool: Pool, tally: Tally) -> None:
    """Back to all pods; now and then without waiting for them, so that the next scale-down meets pending ones."""
    await asyncio.to_thread(pool.resize, MOST_PODS)
    hasty = tally.take("pending")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        deployment = await pool.deployment()
        status = deployment.get("status", {})
        if deployment["spec"]["replicas"] == MOST_PODS and (hasty or status.get("readyReplicas", 0) == MOST_PODS):
            return
        await asyncio.sleep(0.5)


async def drive(pool: Pool, operator: Operator, tally: Tally) -> None:
    """Scale-downs until there are enough."""
    store = redis.asyncio.Redis.from_url(pool.url, socket_timeout=30)
    async with store:
        await grow(pool, tally)
        while tally.left > 0:
            await shrink(pool, operator, tally, store)


async def measure(options: argparse.Namespace) -> int:
    """All of it; the exit code."""
    site = Site(Kubectl.connect(options.namespace))
    site.open()
    site.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    site.kubectl("patch", "service", "redis", '--patch={"spec":{"type":"NodePort"}}')
    url = site.redis.url.replace("redis:6379", harness("address", "-n", options.namespace, "redis"))
    operator = Operator(site.kubectl.kubeconfig, options.namespace, Path(options.log))
    await operator.start()
    configuration = await access(Path(site.kubectl.kubeconfig))
    async with KubernetesCluster(configuration, fence=Fence(), on_request=lambda *_: None) as cluster:
        pools = [Pool(site.kubectl, cluster, f"drain-{number}", url) for number in range(options.pools)]
        return await _drive_all(options, site, operator, pools)


async def _drive_all(options: argparse.Namespace, site: Site, operator: Operator, pools: list[Pool]) -> int:
    tally = Tally(
        wanted=Counter(
            {
                "scale-downs": options.scale_downs,
                "kills": options.kills,
                "unready": options.unready // 2,
                "pending": options.unready - options.unready // 2,
                "pauses": options.pauses,
            }
        )
    )
    for pool in pools:
        await asyncio.to_thread(pool.delete)
    site.redis.flush()
    for pool in pools:
        await asyncio.to_thread(pool.apply, MOST_PODS)
    stop = asyncio.Event()
    began = time.time()
    try:
        async with asyncio.TaskGroup() as group:
            feeders = [group.create_task(feed(pool, stop, options.rate)) for pool in pools]
            drivers = [group.create_task(drive(pool, operator, tally)) for pool in pools]
            await asyncio.wait(drivers)
            stop.set()
        added = sum(feeder.result() for feeder in feeders)
        entries = await _settled(site, pools, began)
    finally:
        await operator.stop()
    operator_log = await asyncio.to_thread(Path(options.log).read_text)
    return _report(tally, added, entries, operator_log, time.time() - began)


async def _settled(site: Site, pools: list[Pool], began: float) -> list[ledger.Entry]:
    """What the ledger wrote down, once nothing runs any more."""
    for pool in pools:
        await asyncio.to_thread(pool.resize, MOST_PODS)
    store = redis.asyncio.Redis.from_url(pools[0].url)
    deadline = time.monotonic() + 600
    async with store:
        while time.monotonic() < deadline:
            left = [
                await store.llen(f"{pool.name}:video-generation:{key}") for pool in pools for key in ("wait", "active")
            ]
            if not any(left):
                break
            await asyncio.sleep(1)
    lines = await asyncio.to_thread(site.kubectl, "logs", "deployment/ledger", "--tail=-1")
    return [entry for entry in ledger.parse(lines.splitlines()) if entry.at >= began]


def judged(entries: list[ledger.Entry]) -> tuple[list[ledger.Entry], list[ledger.Entry]]:
    """Starts without an end: those that were interrupted, and those that failed because the ledger did not answer.

    A job that failed has its next attempt; one that was cut off, or handed back, has the same one again.
    """
    account = ledger.account(entries)
    starts = {(entry.queue, entry.job, entry.attempt) for entry in entries if entry.event == "start"}
    failed = [each for each in account.interrupted if (each.queue, each.job, each.attempt + 1) in starts]
    return [each for each in account.interrupted if each not in failed], failed


def _report(tally: Tally, added: int, entries: list[ledger.Entry], operator_log: str, seconds: float) -> int:
    interrupted, failed = judged(entries)
    ended = {(entry.queue, entry.job) for entry in entries if entry.event == "end"}
    times = sorted(tally.seconds)
    figures = {
        "resizes": tally.done["scale-downs"],
        "scaleDownWrites": len([line for line in operator_log.splitlines() if _is_shrink(line)]),
        "withOperatorKilled": tally.done["kills"],
        "withPodUnready": tally.done["unready"],
        "withPodsPending": tally.done["pending"],
        "withRedisPaused": tally.done["pauses"],
        "jobsAdded": added,
        "starts": sum(entry.event == "start" for entry in entries),
        "jobsEnded": len(ended),
        "interrupted": len(interrupted),
        "failedByLedger": len(failed),
        "stuck": len(tally.stuck),
        "secondsMedian": round(times[len(times) // 2], 1),
        "secondsMost": round(times[-1], 1),
        "minutes": round(seconds / 60, 1),
    }
    print(json.dumps(figures, indent=2))
    for entry in interrupted:
        print(f"interrupted: {entry}")
    if interrupted:
        # The kubelet ends a container whose liveness probe fails, on a node without CPU to spare: no scale-down.
        print("of those, what `kubectl get pods` shows with RESTARTS was the kubelet's doing")
    for told in tally.stuck:
        print(f"stuck: {told}")
    return 1 if interrupted or tally.stuck or len(ended) < added else 0


def _is_shrink(line: str) -> bool:
    match = re.search(r"info +(\d+) → (\d+):", line)
    return match is not None and int(match[2]) < int(match[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale-downs", type=int, default=500)
    parser.add_argument("--kills", type=int, default=50, help="scale-downs in which the operator is killed")
    parser.add_argument("--unready", type=int, default=50, help="scale-downs with a pod that is not ready or pending")
    parser.add_argument("--pauses", type=int, default=20, help="scale-downs in which Redis is paused for 10 s")
    parser.add_argument("--pools", type=int, default=2)
    parser.add_argument("--rate", type=float, default=0.8, help="jobs a second and pool")
    parser.add_argument("--namespace", default="bullpen-drain")
    parser.add_argument("--log", default="drain-operator.log", help="where the operator's output goes")
    sys.exit(asyncio.run(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
