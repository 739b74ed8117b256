"""What the operator counts, for Prometheus: prefix bullpen_, base units.

A registry of its own, so that two operators in one process (in tests) do not share numbers. Labels are bounded: by
pools (`pool_metrics.py`), reasons, conditions, and the few verbs and resources of the write port.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from bullpen_operator.serving.pool_metrics import Misread, PoolCollector, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.scaling.decision import Decision
    from bullpen_operator.scaling.observation import Fleet, QueueReading

_LAG_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)
_WAKE_BUCKETS: Final = (0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60)


class Metrics:
    """Implements the engine's `Meter`, and hears of requests, round trips, watches and lists.

    `clock` is in seconds since the epoch, as is a reading's time.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._pools = PoolCollector()
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        registry.register(self._pools)
        info = Gauge("bullpen_operator_info", "1, with the operator's version.", ("version",), registry=registry)
        info.labels(version("bullpen")).set(1)
        self._leader = Gauge(
            "bullpen_operator_leader",
            "1 on the replica that writes, 0 on those that stand by, or that the API server no longer hears.",
            registry=registry,
        )
        self._wakes = Histogram(
            "bullpen_wake_seconds",
            "From when a job of an idle queue was ready to when the API server accepted the pool's first pods.",
            registry=registry,
            buckets=_WAKE_BUCKETS,
        )
        self._lag = Histogram(
            "bullpen_sweep_lag_seconds",
            "From when a sweep over one Redis was due to the end of its last pool's turn.",
            registry=registry,
            buckets=_LAG_BUCKETS,
        )
        self._failed_turns = Counter(
            "bullpen_turn_errors", "Turns of a pool that ended with an unforeseen error.", registry=registry
        )
        self._requests = Counter(
            "bullpen_api_requests",
            "Requests to the API server, the watches' own aside; code 0: no answer.",
            ("verb", "resource", "code"),
            registry=registry,
        )
        self._round_trips = Histogram(
            "bullpen_redis_round_trip_seconds",
            "Round trips to Redis, one for all queues of an endpoint, by outcome: ok or failed.",
            ("outcome",),
            registry=registry,
            buckets=_LAG_BUCKETS,
        )
        self._events = Counter("bullpen_watch_events", "What the watches told, by kind.", ("kind",), registry=registry)
        self._heard_at = Gauge(
            "bullpen_watch_event_timestamp_seconds",
            "When a watch last told something, by kind, since the epoch.",
            ("kind",),
            registry=registry,
        )
        self._listed_at = Gauge(
            "bullpen_relist_timestamp_seconds",
            "When all objects of a kind were last listed, since the epoch; every 5 to 10 minutes.",
            ("kind",),
            registry=registry,
        )
        self._missed = Counter(
            "bullpen_watch_missed",
            "Objects that a list showed to be gone without the watch having told, by kind.",
            ("kind",),
            registry=registry,
        )

    def exposition(self) -> bytes:
        """All series in Prometheus' text format; may be called from another thread."""
        return generate_latest(self.registry)

    def pool_seen(self, pool: WorkerPool, *, reading: QueueReading | None, fleet: Fleet, decision: Decision) -> None:
        self._pools.saw(Seen(pool, reading, fleet, decision))

    def pool_misread(self, namespace: str, name: str, *, status: Mapping[str, Any], fleet: Fleet) -> None:
        self._pools.misread(Misread((namespace, name), status, fleet))

    def pool_gone(self, namespace: str, name: str) -> None:
        self._pools.forget((namespace, name))

    def scaled(self, pool: WorkerPool, decision: Decision) -> None:
        place = (pool.metadata.namespace, pool.metadata.name)
        direction = "up" if decision.to > decision.from_ else "down"
        self._pools.scaled(place, direction=direction, reason=decision.reason.value)

    def woken(self, pool: WorkerPool, *, seconds: float) -> None:
        self._wakes.observe(seconds)

    def swept(self, *, lag: float) -> None:
        self._lag.observe(lag)

    def failed_turn(self) -> None:
        self._failed_turns.inc()

    def leads_while(self, holds: Callable[[], bool]) -> None:
        """Ask this, at each scrape, whether this replica is the one that writes."""
        self._leader.set_function(lambda: float(holds()))

    def requested(self, verb: str, resource: str, code: int) -> None:
        """One answer of the API server, or (code 0) none."""
        self._requests.labels(verb, resource, str(code)).inc()

    def round_trip(self, seconds: float, succeeded: bool) -> None:
        """One round trip to a Redis."""
        self._round_trips.labels("ok" if succeeded else "failed").observe(seconds)

    def heard(self, kind: str) -> None:
        """A watch told of an object."""
        self._events.labels(kind).inc()
        self._heard_at.labels(kind).set(self._clock())

    def listed(self, kind: str, missed: int) -> None:
        """All objects of a kind were listed, and so many had vanished without the watch telling."""
        self._listed_at.labels(kind).set(self._clock())
        self._missed.labels(kind).inc(missed)
