"""Pods and their workers for tests of the drain: what Kubernetes shows of a pod, and what its worker says of itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bullpen.protocol.heartbeat import Heartbeat
from bullpen_operator.scaling.workers import Workers
from tests.unit.operator.engine_house import EngineHouse
from tests.unit.operator.facts import NOW, reading

if TYPE_CHECKING:
    from bullpen_operator.cluster.port import Raw
    from bullpen_operator.scaling.observation import QueueReading
    from tests.unit.operator.fake_cluster import FakeCluster

COST = "controller.kubernetes.io/pod-deletion-cost"


class Worker:
    """One worker, at most `slots` jobs, with the manners of Bullpen's: marked, it claims nothing and says so."""

    def __init__(self, pod: Raw, *, busy: int = 0, beats: bool = True) -> None:
        self.uid: str = pod["metadata"]["uid"]
        self.name: str = pod["metadata"]["name"]
        self.busy = busy
        self.beats = beats
        self.lease = 0.0
        self.deaf = False
        """It has not noticed its mark."""


class CrewHouse(EngineHouse):
    """A pool with pods, and a Redis that holds marks and heartbeats; each turn is a second."""

    def __init__(self, cluster: FakeCluster | None = None) -> None:
        super().__init__(cluster)
        self.workers: dict[str, Worker] = {}
        self.unknown = 0
        self.redis_takes = True

    async def staff(self, *busy: int, beats: bool = True, **spec: Any) -> None:
        """A pool pinned to as many pods as there are numbers: the jobs that each runs."""
        self.see(self.cluster.add_pool("video", **({"replicas": len(busy), "app": "app:app"} | spec)))
        await self.turn()
        for number, jobs in enumerate(busy):
            self.add_worker(f"pod-{number}", busy=jobs, beats=beats)
        self.rollout()
        for _ in range(3):
            await self.turn()
        self.cluster.calls.clear()
        self.events.notices.clear()

    def add_worker(self, name: str, *, busy: int = 0, beats: bool = True, **state: Any) -> Worker:
        pod = self.cluster.add_pod(name, **state)
        self.see_pod(pod)
        worker = self.workers[name] = Worker(pod, busy=busy, beats=beats)
        return worker

    def resize(self, replicas: int | None) -> None:
        self.see(self.cluster.edit_pool("video", replicas=replicas))

    def rollout(self) -> None:
        """The controllers have done what the Deployment asks for, and say so."""
        pods = [pod for pod in self.cluster.pods.values() if "deletionTimestamp" not in pod["metadata"]]
        ready = sum(pod["status"]["conditions"][0]["status"] == "True" for pod in pods)
        deployment = self.cluster.deployments["video"]
        counts = {"replicas": len(pods), "readyReplicas": ready, "updatedReplicas": len(pods)}
        deployment["status"] = counts | {"observedGeneration": deployment["metadata"]["generation"]}
        self.see_deployment(self.cluster.touch_deployment("video"))

    def end_pods(self) -> list[str]:
        """The ReplicaSet controller ends as many pods as are too many, in its order; the names."""
        surplus = len(self.cluster.pods) - self.replicas
        order = sorted(self.cluster.pods.values(), key=_rank)
        names = [pod["metadata"]["name"] for pod in order[: max(0, surplus)]]
        for name in names:
            pod = self.cluster.pods.pop(name)
            pod["metadata"]["resourceVersion"] = str(int(pod["metadata"]["resourceVersion"]) + 10_000)
            self.see_pod(pod, gone=True)
        self.rollout()
        return names

    @property
    def replicas(self) -> int:
        number: int = self.cluster.deployments["video"]["spec"]["replicas"]
        return number

    @property
    def marked(self) -> list[str]:
        return sorted(name for name, worker in self.workers.items() if worker.lease > 0)

    def costs(self) -> dict[str, str]:
        """Deletion costs by pod."""
        found = {name: pod["metadata"]["annotations"].get(COST) for name, pod in self.cluster.pods.items()}
        return {name: cost for name, cost in found.items() if cost is not None}

    def observed(self) -> QueueReading:
        """What one reading of the queue says now."""
        running = {worker.uid if worker.beats else worker.name: worker.busy for worker in self.workers.values()}
        marks = {worker.uid: worker.lease for worker in self.workers.values() if worker.lease > 0}
        looked = bool(marks) or not all(worker.beats for worker in self.workers.values())
        workers = Workers(
            at=self.now,
            beats={worker.uid: self._beat(worker) for worker in self.workers.values() if worker.beats},
            marks=marks,
            running={name: jobs for name, jobs in running.items() if jobs} if looked else None,
            unknown=self.unknown,
        )
        active = sum(worker.busy for worker in self.workers.values()) + self.unknown
        return replace(reading(at=self.now, active=active), workers=workers)

    def _beat(self, worker: Worker) -> Heartbeat:
        marked = worker.lease > 0 and not worker.deaf
        return Heartbeat(
            instance=worker.uid,
            boot="1",
            slots=10,
            busy=worker.busy,
            done=0,
            failed=0,
            draining=marked,
            drained=marked and not worker.busy,
            oldest=NOW if worker.busy else None,
            at=self.now - 0.5,
        )

    def start_turn(self, observed: Any = None, *, after: float = 1.0) -> None:
        self.now += after
        for worker in self.workers.values():
            worker.lease = max(0.0, worker.lease - after)
        for uid, _ in list(self.pools.current()):
            orders = self.pools.take_turn(uid, observed if observed is not None else self.observed())
            if not self.redis_takes:
                continue
            for worker in self.workers.values():
                if worker.uid in orders.mark:
                    worker.lease = 15.0
                elif worker.uid in orders.clear:
                    worker.lease = 0.0


def _rank(pod: Raw) -> tuple[bool, bool, bool, int, str]:
    status, metadata = pod["status"], pod["metadata"]
    return (
        bool(pod["spec"].get("nodeName")),
        status["phase"] == "Running",
        status["conditions"][0]["status"] == "True",
        int(metadata["annotations"].get(COST, 0)),
        metadata["name"],
    )


__all__ = ["COST", "NOW", "CrewHouse", "Worker"]
