"""What the operator counts, for Prometheus: prefix bullpen_, base units, one label set per pool.

A registry of its own, so that two operators in one process (in tests) do not share numbers. The series of a deleted
pool go with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

if TYPE_CHECKING:
    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.scaling.decision import Decision
    from bullpen_operator.scaling.observation import Fleet, QueueReading

_POOL = ("namespace", "pool")
_STATES = ("waiting", "due", "active", "delayed", "failed", "completed")
_KINDS = ("desired", "spec", "ready", "updated")
_LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Implements the engine's `Meter`, and hears of requests and round trips."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._jobs = Gauge(
            "bullpen_queue_jobs", "Jobs of the pool's queue by state.", (*_POOL, "queue", "state"), registry=registry
        )
        self._oldest = Gauge(
            "bullpen_queue_oldest_wait_seconds",
            "Age of the oldest waiting job; 0 when none waits.",
            (*_POOL, "queue"),
            registry=registry,
        )
        self._reachable = Gauge(
            "bullpen_queue_reachable", "1 while the queue can be read, else 0.", _POOL, registry=registry
        )
        self._replicas = Gauge(
            "bullpen_pool_replicas", "Replicas of the pool by kind.", (*_POOL, "kind"), registry=registry
        )
        self._scales = Counter(
            "bullpen_scale_writes",
            "Accepted changes of the number of replicas.",
            (*_POOL, "direction", "reason"),
            registry=registry,
        )
        self._wakes = Histogram(
            "bullpen_wake_latency_seconds",
            "From when a job of an idle queue was ready to when the API server accepted the pool's first pods.",
            registry=registry,
            buckets=_LAG_BUCKETS,
        )
        self._lag = Histogram(
            "bullpen_sweep_seconds",
            "From when a sweep over one Redis was due to the end of its last pool's turn.",
            registry=registry,
            buckets=_LAG_BUCKETS,
        )
        self._failed_turns = Counter(
            "bullpen_turn_errors", "Turns of a pool that ended with an unforeseen error.", registry=registry
        )
        self._requests = Counter(
            "bullpen_api_requests",
            "Requests to the API server; code 0: no answer.",
            ("verb", "resource", "code"),
            registry=registry,
        )
        self._round_trips = Histogram(
            "bullpen_redis_round_trip_seconds",
            "Round trips to Redis, by whether they succeeded.",
            ("outcome",),
            registry=registry,
            buckets=_LAG_BUCKETS,
        )
        self._queues: dict[tuple[str, str], str] = {}
        self._scaled: dict[tuple[str, str], set[tuple[str, str]]] = {}

    def exposition(self) -> bytes:
        """All series in Prometheus' text format."""
        return generate_latest(self.registry)

    def pool_seen(self, pool: WorkerPool, *, reading: QueueReading | None, fleet: Fleet, decision: Decision) -> None:
        place, queue = (pool.metadata.namespace, pool.metadata.name), pool.spec.queue
        if self._queues.get(place, queue) != queue:
            self._drop_queue(place)
        self._queues[place] = queue
        self._reachable.labels(*place).set(reading is not None)
        if reading is not None:
            for state in _STATES:
                self._jobs.labels(*place, queue, state).set(getattr(reading, state))
            self._oldest.labels(*place, queue).set(reading.oldest_wait_seconds or 0)
        for kind, number in zip(_KINDS, (decision.to, fleet.replicas, fleet.ready, fleet.updated), strict=True):
            self._replicas.labels(*place, kind).set(number)

    def pool_gone(self, namespace: str, name: str) -> None:
        place = (namespace, name)
        if place not in self._queues:
            return
        self._drop_queue(place)
        del self._queues[place]
        self._reachable.remove(*place)
        for kind in _KINDS:
            self._replicas.remove(*place, kind)
        for direction, reason in self._scaled.pop(place, ()):
            self._scales.remove(*place, direction, reason)

    def scaled(self, pool: WorkerPool, decision: Decision) -> None:
        place = (pool.metadata.namespace, pool.metadata.name)
        kind = ("up" if decision.to > decision.from_ else "down", decision.reason.value)
        self._scaled.setdefault(place, set()).add(kind)
        self._scales.labels(*place, *kind).inc()

    def woken(self, pool: WorkerPool, *, seconds: float) -> None:
        self._wakes.observe(seconds)

    def swept(self, *, lag: float) -> None:
        self._lag.observe(lag)

    def failed_turn(self) -> None:
        self._failed_turns.inc()

    def requested(self, verb: str, resource: str, code: int) -> None:
        """One answer of the API server, or (code 0) none."""
        self._requests.labels(verb, resource, str(code)).inc()

    def round_trip(self, seconds: float, succeeded: bool) -> None:
        """One round trip to a Redis."""
        self._round_trips.labels("ok" if succeeded else "failed").observe(seconds)

    def _drop_queue(self, place: tuple[str, str]) -> None:
        queue = self._queues[place]
        for state in _STATES:
            self._jobs.remove(*place, queue, state)
        self._oldest.remove(*place, queue)
