"""The numbers of every pool, made into series at the moment somebody asks.

Kept as what was last seen, not as gauges: a turn, of which there are as many a second as there are pools, then costs
an assignment, a deleted pool takes its series along, and what is not known has none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from bullpen_operator.scaling.rates import GAP_SECONDS, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client.metrics_core import Metric

    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.scaling.decision import Decision
    from bullpen_operator.scaling.observation import Fleet, QueueReading

Place = tuple[str, str]
"""Namespace and name of a pool."""

_POOL: Final = ("namespace", "pool")
_QUEUE: Final = (*_POOL, "queue")
_STATES: Final = ("waiting", "due", "active", "delayed", "waiting_children", "failed", "completed")
_TRUTH: Final = {"True": 1, "False": 0, "Unknown": -1}


@dataclass(frozen=True, slots=True)
class Seen:
    """One turn of a pool: always replaced as a whole, because a scrape reads it from another thread."""

    pool: WorkerPool
    reading: QueueReading | None
    fleet: Fleet
    decision: Decision

    @property
    def place(self) -> Place:
        return self.pool.metadata.namespace, self.pool.metadata.name

    @property
    def status(self) -> Mapping[str, Any]:
        return self.pool.status


@dataclass(frozen=True, slots=True)
class Misread:
    """A pool whose spec the operator does not understand: what its Deployment has, and what was written of it."""

    place: Place
    status: Mapping[str, Any]
    fleet: Fleet


@dataclass(slots=True)
class _Row:
    seen: Seen | Misread
    read_at: float | None = None
    violated: float = 0.0
    """Seconds so far in which the wait objective was missed."""
    scales: dict[tuple[str, str], int] = field(default_factory=dict)
    """Accepted changes of the number, by direction and reason."""


class PoolCollector(Collector):
    """What was last seen of each pool, and what is counted of it since the operator started."""

    def __init__(self) -> None:
        self._rows: dict[Place, _Row] = {}

    def saw(self, seen: Seen) -> None:
        """One turn; the time since the last reading counts as missed when the oldest job waits too long by now."""
        row = self._rows.get(seen.place)
        if row is None:
            row = self._rows[seen.place] = _Row(seen)
        row.seen, reading = seen, seen.reading
        if reading is None:
            return
        since = reading.at - row.read_at if row.read_at is not None else 0.0
        row.read_at = reading.at
        waited = reading.oldest_wait_seconds or 0.0
        if not reading.paused and waited > seen.pool.spec.scaling.wait_objective.seconds:
            row.violated += min(max(since, 0.0), GAP_SECONDS)

    def misread(self, misread: Misread) -> None:
        """A pool cannot be understood, any more or at all; what was counted of it stays."""
        row = self._rows.get(misread.place)
        if row is None:
            self._rows[misread.place] = _Row(misread)
        else:
            row.seen, row.read_at = misread, None

    def scaled(self, place: Place, *, direction: str, reason: str) -> None:
        """A change of the number was accepted."""
        row = self._rows.get(place)
        if row is not None:
            row.scales[direction, reason] = row.scales.get((direction, reason), 0) + 1

    def forget(self, place: Place) -> None:
        """The pool is gone."""
        self._rows.pop(place, None)

    def collect(self) -> Iterator[Metric]:
        rows = list(self._rows.values())
        all_seen = [row.seen for row in rows]
        understood = [seen for seen in all_seen if isinstance(seen, Seen)]
        read = [seen for seen in understood if seen.reading is not None]
        yield from _queues(read)
        yield from _rates(read)
        yield from _pools(understood)
        yield _replicas(all_seen)
        yield _conditions(all_seen)
        yield from _totals(rows)


def _queues(read: Sequence[Seen]) -> Iterator[Metric]:
    jobs = GaugeMetricFamily(
        "bullpen_queue_jobs",
        "Jobs of the pool's queue by state; due: delayed jobs whose time has come, which delayed counts too.",
        labels=(*_QUEUE, "state"),
    )
    oldest = GaugeMetricFamily(
        "bullpen_queue_oldest_wait_seconds", "Age of the oldest waiting job; 0 when none waits.", labels=_QUEUE
    )
    paused = GaugeMetricFamily("bullpen_queue_paused", "1 while the queue is paused, else 0.", labels=_QUEUE)
    for seen in read:
        reading, labels = seen.reading, (*seen.place, seen.pool.spec.queue)
        for state in _STATES:
            jobs.add_metric((*labels, state), getattr(reading, state))
        if reading is not None:
            oldest.add_metric(labels, reading.oldest_wait_seconds or 0)
            paused.add_metric(labels, reading.paused)
    yield from (jobs, oldest, paused)


def _rates(read: Sequence[Seen]) -> Iterator[Metric]:
    arrivals = GaugeMetricFamily(
        "bullpen_queue_arrivals_per_second", "Jobs that become ready to run, as the operator estimates.", labels=_QUEUE
    )
    completions = GaugeMetricFamily(
        "bullpen_queue_completions_per_second", "Jobs that end, as the operator estimates.", labels=_QUEUE
    )
    service = GaugeMetricFamily(
        "bullpen_queue_service_seconds", "How long a job runs, as the operator estimates.", labels=_QUEUE
    )
    for seen in read:
        rates, labels = seen.decision.memory.rates, (*seen.place, seen.pool.spec.queue)
        if rates.source is not Source.NONE:
            arrivals.add_metric(labels, rates.arrivals)
            completions.add_metric(labels, rates.finishing)
            service.add_metric(labels, rates.service_seconds(seen.pool.spec.expected_job_seconds))
    yield from (arrivals, completions, service)


def _pools(rows: Sequence[Seen]) -> Iterator[Metric]:
    reachable = GaugeMetricFamily(
        "bullpen_queue_reachable", "1 while the pool's queue can be read, else 0.", labels=_POOL
    )
    objective = GaugeMetricFamily(
        "bullpen_pool_objective_seconds", "The wait objective of the pool's spec.", labels=_POOL
    )
    decision = GaugeMetricFamily(
        "bullpen_pool_decision",
        "1 for why the number of pods is what it is: what it follows from, and the last limit that changed it.",
        labels=(*_POOL, "reason", "limited_by"),
    )
    for seen in rows:
        place, decided = seen.place, seen.decision
        reachable.add_metric(place, seen.reading is not None)
        objective.add_metric(place, seen.pool.spec.scaling.wait_objective.seconds)
        limit = decided.limited_by.value if decided.limited_by is not None else ""
        decision.add_metric((*place, decided.reason.value, limit), 1)
    yield from (reachable, objective, decision)


def _replicas(rows: Sequence[Seen | Misread]) -> Metric:
    replicas = GaugeMetricFamily(
        "bullpen_pool_replicas",
        "Pods of the pool by kind; desired: what was decided, spec: what the Deployment asks for, minimum and "
        "maximum: the bounds of the pool's spec, busy and drained: only while workers report.",
        labels=(*_POOL, "kind"),
    )
    for seen in rows:
        for kind, number in _numbers(seen):
            replicas.add_metric((*seen.place, kind), number)
    return replicas


def _numbers(seen: Seen | Misread) -> Iterator[tuple[str, int]]:
    fleet = seen.fleet
    if isinstance(seen, Seen):
        yield "desired", seen.decision.to
        yield "minimum", seen.pool.spec.scaling.min_replicas
        yield "maximum", seen.pool.spec.scaling.max_replicas
    yield "spec", fleet.replicas
    yield "present", fleet.pods
    yield "ready", fleet.ready
    yield "updated", fleet.updated
    if fleet.busy is not None:
        yield "busy", fleet.busy
    if fleet.drained is not None:
        yield "drained", fleet.drained


def _conditions(rows: Sequence[Seen | Misread]) -> Metric:
    conditions = GaugeMetricFamily(
        "bullpen_pool_condition",
        "Conditions on the pool's status: 1 True, 0 False, -1 Unknown.",
        labels=(*_POOL, "condition"),
    )
    for seen in rows:
        for condition in seen.status.get("conditions") or ():
            conditions.add_metric((*seen.place, condition["type"]), _TRUTH.get(condition["status"], -1))
    return conditions


def _totals(rows: Sequence[_Row]) -> Iterator[Metric]:
    violated = CounterMetricFamily(
        "bullpen_pool_objective_violation_seconds",
        "Time in which the oldest job had waited longer than the wait objective; a paused queue's does not count.",
        labels=_POOL,
    )
    scales = CounterMetricFamily(
        "bullpen_scale_writes",
        "Changes of the number of pods that the API server accepted.",
        labels=(*_POOL, "direction", "reason"),
    )
    for row in rows:
        place = row.seen.place
        violated.add_metric(place, row.violated)
        for (direction, reason), count in list(row.scales.items()):
            scales.add_metric((*place, direction, reason), count)
    yield from (violated, scales)
