"""The operator's metrics: what a scrape shows of pools that were seen, and what it shows no more."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from bullpen_operator.api.reasons import Reason
from bullpen_operator.scaling.observation import NO_FLEET
from bullpen_operator.scaling.plan import Memory, plan
from bullpen_operator.serving.metrics import Metrics
from tests.unit.operator.facts import LONG, NOW, fleet, pool, reading, rules, unreachable

if TYPE_CHECKING:
    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.scaling.decision import Decision
    from bullpen_operator.scaling.observation import Fleet, QueueReading, ReadingFailed


class Scrape:
    """One answer of /metrics, taken apart."""

    def __init__(self, metrics: Metrics) -> None:
        self.text = metrics.exposition().decode()
        families = list(text_string_to_metric_families(self.text))
        self.samples = [sample for family in families for sample in family.samples]

    def __getitem__(self, name: str) -> dict[str, float]:
        """Values of a series by its labels' values, of which the pool's own are left out."""
        return {
            " ".join(value for label, value in sample.labels.items() if label not in ("namespace", "pool", "queue")):
            sample.value
            for sample in self.samples
            if sample.name == name
        }  # fmt: skip


def see(
    metrics: Metrics,
    seen: QueueReading | ReadingFailed | None = None,
    *,
    of: WorkerPool | None = None,
    pods: Fleet = NO_FLEET,
    memory: Memory | None = None,
) -> Decision:
    """One turn of a pool: 35 jobs wait unless told otherwise."""
    observed = reading(waiting=35, oldest_wait_seconds=2.5) if seen is None else seen
    decision = plan(
        rules=rules(expected_job_seconds=LONG), reading=observed, fleet=pods, memory=memory or Memory(), now=observed.at
    )
    known: Any = observed if hasattr(observed, "waiting") else None
    metrics.pool_seen(of or pool(), reading=known, fleet=pods, decision=decision)
    return decision


def test_a_pools_numbers_are_shown_with_its_labels() -> None:
    metrics = Metrics()
    metrics.scaled(pool(), see(metrics))
    text = Scrape(metrics).text
    assert 'bullpen_queue_jobs{namespace="media",pool="video",queue="video",state="waiting"} 35.0' in text
    assert 'bullpen_queue_oldest_wait_seconds{namespace="media",pool="video",queue="video"} 2.5' in text
    assert 'bullpen_pool_replicas{kind="desired",namespace="media",pool="video"} 4.0' in text
    assert 'bullpen_scale_writes_total{direction="up",namespace="media",pool="video",reason="Backlog"} 1.0' in text
    assert 'bullpen_pool_decision{limited_by="",namespace="media",pool="video",reason="Backlog"} 1.0' in text


def test_the_series_of_a_deleted_pool_go_with_it() -> None:
    metrics = Metrics()
    metrics.scaled(pool(), see(metrics))
    metrics.pool_gone("media", "video")
    assert 'pool="video"' not in Scrape(metrics).text


def test_a_pool_that_changes_its_queue_leaves_no_series_of_the_old_one() -> None:
    metrics = Metrics()
    see(metrics)
    see(metrics, of=pool(queue="audio"))
    text = Scrape(metrics).text
    assert 'queue="video"' not in text
    assert 'queue="audio"' in text


def test_of_a_queue_that_cannot_be_read_no_number_is_shown_but_that_it_cannot() -> None:
    metrics = Metrics()
    see(metrics)
    see(metrics, unreachable())
    scrape = Scrape(metrics)
    assert scrape["bullpen_queue_reachable"] == {"": 0}
    assert scrape["bullpen_queue_jobs"] == {}
    assert scrape["bullpen_queue_oldest_wait_seconds"] == {}
    assert scrape["bullpen_pool_decision"] == {" Unreachable": 1}


def test_every_kind_of_pods_is_shown_that_is_known() -> None:
    metrics = Metrics()
    bounds = {"minReplicas": 1, "maxReplicas": 9}
    see(metrics, of=pool(scaling=bounds), pods=fleet(3, pods=4, ready=2))
    first = Scrape(metrics)["bullpen_pool_replicas"]
    assert first == {"desired": 4, "spec": 3, "present": 4, "ready": 2, "updated": 3, "minimum": 1, "maximum": 9}
    see(metrics, pods=fleet(3, busy=2, drained=1))
    second = Scrape(metrics)["bullpen_pool_replicas"]
    assert (second["busy"], second["drained"]) == (2, 1)


def test_a_condition_is_a_number() -> None:
    conditions = [
        {"type": "Ready", "status": "True"},
        {"type": "Stalled", "status": "False"},
        {"type": "QueueFound", "status": "Unknown"},
    ]
    metrics = Metrics()
    see(metrics, of=pool(status={"conditions": conditions}))
    assert Scrape(metrics)["bullpen_pool_condition"] == {"Ready": 1, "Stalled": 0, "QueueFound": -1}


def test_a_pool_that_is_not_understood_has_series_and_none_of_what_nobody_can_know() -> None:
    status = {"conditions": [{"type": "Stalled", "status": "True"}]}
    metrics = Metrics()
    metrics.pool_misread("media", "video", status=status, fleet=fleet(3, ready=2))
    scrape = Scrape(metrics)
    assert scrape["bullpen_pool_condition"] == {"Stalled": 1}
    assert scrape["bullpen_pool_replicas"] == {"spec": 3, "present": 3, "ready": 2, "updated": 3}
    assert "bullpen_pool_decision{" not in scrape.text
    metrics.pool_gone("media", "video")
    assert 'pool="video"' not in Scrape(metrics).text


def test_a_pool_that_is_not_understood_any_more_shows_nothing_of_before_but_what_was_counted() -> None:
    metrics = Metrics()
    metrics.scaled(pool(), see(metrics))
    metrics.pool_misread("media", "video", status={}, fleet=fleet(3))
    scrape = Scrape(metrics)
    assert scrape["bullpen_queue_jobs"] == {}
    assert "desired" not in scrape["bullpen_pool_replicas"]
    assert scrape["bullpen_scale_writes_total"] == {"up Backlog": 1}
    see(metrics)
    assert Scrape(metrics)["bullpen_pool_replicas"]["desired"] == 4


def test_what_was_learned_of_the_traffic_is_shown_once_something_was() -> None:
    metrics = Metrics()
    first = see(metrics, reading(added=100, finished=0, active=1))
    second = see(metrics, reading(at=NOW + 1, added=110, finished=10, active=1), memory=first.memory)
    scrape = Scrape(metrics)
    assert scrape["bullpen_queue_completions_per_second"][""] == second.memory.rates.finishing > 0
    assert scrape["bullpen_queue_arrivals_per_second"][""] == second.memory.rates.arrivals > 0
    assert 0 < scrape["bullpen_queue_service_seconds"][""] < LONG


def test_the_objective_is_missed_for_as_long_as_the_oldest_job_waits_too_long() -> None:
    metrics = Metrics()
    promising = pool(scaling={"waitObjective": {"seconds": 30}})
    for second, waited in enumerate((10.0, 29.0, 31.0, 40.0, None, 35.0)):
        see(metrics, reading(at=NOW + second, waiting=1, oldest_wait_seconds=waited), of=promising)
    assert Scrape(metrics)["bullpen_pool_objective_violation_seconds_total"] == {"": 3}
    assert Scrape(metrics)["bullpen_pool_objective_seconds"] == {"": 30}


def test_a_paused_queue_misses_no_objective() -> None:
    metrics = Metrics()
    for second in range(3):
        see(metrics, reading(at=NOW + second, waiting=1, oldest_wait_seconds=500.0, paused=True))
    assert Scrape(metrics)["bullpen_pool_objective_violation_seconds_total"] == {"": 0}


def test_an_hour_without_a_reading_is_not_an_hour_of_missing_it() -> None:
    metrics = Metrics()
    for second in (0, 3600):
        see(metrics, reading(at=NOW + second, waiting=1, oldest_wait_seconds=4000.0))
    assert Scrape(metrics)["bullpen_pool_objective_violation_seconds_total"] == {"": 60}


def wakes(metrics: Metrics) -> tuple[float, float]:
    scrape = Scrape(metrics)
    return scrape["bullpen_wake_seconds_count"][""], scrape["bullpen_wake_seconds_sum"][""]


def test_a_wake_is_counted_with_its_seconds() -> None:
    metrics = Metrics(clock=lambda: NOW)
    metrics.woken(pool(), seconds=0.75)
    assert wakes(metrics) == (1, 0.75)


def test_growth_and_pods_that_no_job_asked_for_are_no_wake() -> None:
    metrics = Metrics(clock=lambda: NOW)
    metrics.scaled(pool(), see(metrics, pods=fleet(1)))
    idle = see(metrics, reading())
    metrics.scaled(pool(), dataclasses.replace(idle, to=2, reason=Reason.IDLE))
    assert wakes(metrics) == (0, 0)


def test_watches_and_lists_leave_the_time_of_their_last_word() -> None:
    metrics = Metrics(clock=lambda: NOW)
    metrics.heard("WorkerPool")
    metrics.listed("Deployment", 2)
    metrics.leads_while(lambda: True)
    scrape = Scrape(metrics)
    assert scrape["bullpen_watch_events_total"] == {"WorkerPool": 1}
    assert scrape["bullpen_watch_event_timestamp_seconds"] == {"WorkerPool": NOW}
    assert scrape["bullpen_relist_timestamp_seconds"] == {"Deployment": NOW}
    assert scrape["bullpen_watch_missed_total"] == {"Deployment": 2}
    assert scrape["bullpen_operator_leader"] == {"": 1}


def test_nothing_that_varies_without_bound_is_a_label() -> None:
    """Job names, ids and messages are in no label, so that series grow with the number of pools alone."""
    metrics = Metrics()
    for second in range(20):
        metrics.scaled(
            pool(), see(metrics, reading(at=NOW + second, waiting=second, oldest_wait_seconds=float(second)))
        )
    ours = [sample for sample in Scrape(metrics).samples if sample.labels.get("pool") == "video"]
    assert len(ours) < 40
