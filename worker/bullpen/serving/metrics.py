"""`/metrics`: the worker's counts in Prometheus' text format, read at the moment somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from prometheus_client.metrics_core import Metric


class Distribution(Protocol):
    """A histogram: one count a bound and one for the rest; the sum of all values."""

    @property
    def bounds(self) -> Sequence[float]: ...
    @property
    def counts(self) -> Sequence[int]: ...
    @property
    def total(self) -> float: ...


class JobCounts(Protocol):
    """What the jobs of one name did."""

    @property
    def name(self) -> str: ...
    @property
    def outcomes(self) -> Mapping[Any, int]: ...
    @property
    def durations(self) -> Distribution: ...
    @property
    def waits(self) -> Distribution: ...


class QueueCounts(Protocol):
    """One queue of this worker as it is now; times in seconds."""

    @property
    def queue(self) -> str: ...
    @property
    def slots(self) -> int: ...
    @property
    def busy(self) -> int: ...
    @property
    def stuck(self) -> int: ...
    @property
    def redis_errors(self) -> int: ...
    @property
    def lock_losses(self) -> int: ...
    @property
    def reclaimed(self) -> int: ...
    def oldest_job_seconds(self) -> float: ...
    def tallies(self) -> Sequence[JobCounts]: ...


class TreeUsage(Protocol):
    """This process and its children: seconds of CPU time since the start, resident bytes, how many they are."""

    @property
    def cpu(self) -> float: ...
    @property
    def rss(self) -> int: ...
    @property
    def processes(self) -> int: ...


class WorkerCollector(Collector):
    """Turns the queues' counts into metric families; holds nothing itself.

    Jobs in child processes are counted by their parent, so that one registry has it all.
    """

    def __init__(
        self, queues: Callable[[], Iterable[QueueCounts]], usage: Callable[[], TreeUsage | None] | None = None
    ) -> None:
        self._queues = queues
        self._usage = usage

    def collect(self) -> Iterator[Metric]:
        queues = list(self._queues())
        yield from self._jobs(queues)
        yield from self._now(queues)
        yield from self._totals(queues)
        if self._usage is not None and (used := self._usage()) is not None:
            yield from _tree(used)

    def _jobs(self, queues: Sequence[QueueCounts]) -> Iterator[Metric]:
        labels = ("queue", "name")
        jobs = CounterMetricFamily(
            "bullpen_worker_jobs", "Attempts that ended, by outcome.", labels=(*labels, "outcome")
        )
        durations = HistogramMetricFamily(
            "bullpen_worker_job_duration_seconds", "How long attempts ran.", labels=labels
        )
        waits = HistogramMetricFamily(
            "bullpen_worker_job_wait_seconds", "How long jobs were ready before they were started.", labels=labels
        )
        for queue in queues:
            for tally in queue.tallies():
                key = (queue.queue, tally.name)
                for outcome, count in tally.outcomes.items():
                    jobs.add_metric((*key, str(outcome)), count)
                durations.add_metric(key, _buckets(tally.durations), tally.durations.total)
                waits.add_metric(key, _buckets(tally.waits), tally.waits.total)
        yield from (jobs, durations, waits)

    def _now(self, queues: Sequence[QueueCounts]) -> Iterator[Metric]:
        slots = GaugeMetricFamily("bullpen_worker_slots", "Jobs this worker may run at once.", labels=("queue",))
        busy = GaugeMetricFamily("bullpen_worker_busy", "Jobs this worker is running.", labels=("queue",))
        oldest = GaugeMetricFamily(
            "bullpen_worker_oldest_job_seconds",
            "Age of the attempt that has run longest, 0 if none.",
            labels=("queue",),
        )
        stuck = GaugeMetricFamily(
            "bullpen_worker_stuck_jobs", "Jobs whose time is up and whose function does not stop.", labels=("queue",)
        )
        for queue in queues:
            slots.add_metric((queue.queue,), queue.slots)
            busy.add_metric((queue.queue,), queue.busy)
            stuck.add_metric((queue.queue,), queue.stuck)
            oldest.add_metric((queue.queue,), queue.oldest_job_seconds())
        yield from (slots, busy, stuck, oldest)

    def _totals(self, queues: Sequence[QueueCounts]) -> Iterator[Metric]:
        errors = CounterMetricFamily("bullpen_worker_redis_errors", "Failed calls to Redis.", labels=("queue",))
        losses = CounterMetricFamily(
            "bullpen_worker_lock_losses",
            "Running jobs whose lock was found to be another's, or gone.",
            labels=("queue",),
        )
        reclaimed = CounterMetricFamily(
            "bullpen_worker_reclaimed_jobs", "Jobs of dead workers that this one put back.", labels=("queue",)
        )
        for queue in queues:
            errors.add_metric((queue.queue,), queue.redis_errors)
            losses.add_metric((queue.queue,), queue.lock_losses)
            reclaimed.add_metric((queue.queue,), queue.reclaimed)
        yield from (errors, losses, reclaimed)


def _tree(used: TreeUsage) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "bullpen_worker_cpu_seconds", "CPU time of this process and its children since the start.", value=used.cpu
    )
    yield GaugeMetricFamily(
        "bullpen_worker_resident_bytes", "Resident memory of this process and its children.", value=used.rss
    )
    yield GaugeMetricFamily("bullpen_worker_processes", "This process and its children.", value=used.processes)


def exposition(
    queues: Callable[[], Iterable[QueueCounts]], usage: Callable[[], TreeUsage | None] | None = None
) -> Callable[[], bytes]:
    """What answers `/metrics`: our families, and those of the process; `usage` is of it and its children."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(WorkerCollector(queues, usage))
    return lambda: generate_latest(registry)


def _buckets(distribution: Distribution) -> list[tuple[str, float]]:
    """Prometheus' buckets are cumulative."""
    running = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*map(floatToGoString, distribution.bounds), "+Inf"), distribution.counts, strict=True):
        running += count
        buckets.append((bound, running))
    return buckets
