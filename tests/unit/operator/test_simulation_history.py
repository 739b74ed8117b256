"""Histories, and what is proposed from them."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen_operator.simulation.advice import Proposal, Workers, advise, nice_above
from bullpen_operator.simulation.figures import late_percent, percentile
from bullpen_operator.simulation.history import MOST_SECONDS, TAIL_SECONDS, History, Run
from bullpen_operator.simulation.what_if import Setting, compared
from tests.unit.operator.facts import NOW, rules

DAY = 86_400


def history(*, jobs: int = 60, every: float = 5.0, seconds: float = 4.0) -> History:
    return History.of(
        "q", [Run(ready=NOW + every * n, seconds=seconds, started=NOW + every * n + 1) for n in range(jobs)]
    )


def setting(**changes: float) -> Setting:
    return Setting(rules=replace(rules(concurrency=5, expected_job_seconds=1.0, max_replicas=20), **changes))  # type: ignore[arg-type]


def value(found: Proposal, field: str) -> int:
    [advice] = [each for each in found.advice if each.path[-1] == field and each.path[0] != "drain"]
    assert advice.reason.endswith(".")
    return advice.value


def test_jobs_are_put_in_order_and_told_from_the_first_on() -> None:
    made = History.of("q", [Run(ready=NOW + 10, seconds=3), Run(ready=NOW, seconds=2)])
    trace = made.trace()
    assert (made.began, made.seconds) == (NOW, 13)
    assert (trace.arrivals, trace.services, trace.seconds) == ([0, 10], [2, 3], 13 + TAIL_SECONDS)
    assert made.waits == []


def test_what_came_before_all_are_known_is_left_out() -> None:
    made = History.of("q", [Run(ready=NOW + n, seconds=1) for n in range(10)], whole_from=NOW + 4)
    assert (len(made.runs), made.notes) == (6, ())


def test_a_bulk_of_which_only_the_end_is_kept_stays_with_a_note() -> None:
    made = History.of("q", [Run(ready=NOW, seconds=1) for n in range(10)], whole_from=NOW + 4)
    assert len(made.runs) == 10
    assert "there were more of them" in made.notes[0]


def test_what_is_older_than_a_month_is_left_out_and_no_job_makes_it_longer() -> None:
    old, long = Run(ready=NOW - 40 * DAY, seconds=1), Run(ready=NOW, seconds=1e9)
    made = History.of("q", [old, Run(ready=NOW - 30 * DAY, seconds=1), long])
    assert len(made.runs) == 2
    assert made.notes == ("1 job of more than 31 days before the last one left out",)
    assert made.trace().seconds == MOST_SECONDS + TAIL_SECONDS


def test_a_history_without_a_job_is_none() -> None:
    with pytest.raises(ValueError, match="no job that ended is known"):
        History.of("q", [])


def test_figures() -> None:
    assert [percentile([1, 2, 3, 4], share) for share in (0, 0.5, 0.99)] == [1, 2, 4]
    assert late_percent([1, 2, 31, 40], 30) == 50
    assert late_percent([1], 30, overdue=1) == 50
    assert late_percent([], 30) == 0


def test_a_history_is_played_under_the_pool_a_threshold_and_fixed_pods() -> None:
    found = compared(history(), setting())
    assert found.fixed_pods == 1
    assert found.fixed.pod_hours == pytest.approx((59 * 5 + 1 + 4 + TAIL_SECONDS) / 3600)
    assert (found.fixed.late, found.fixed.writes, found.fixed.interrupted) == (0, 0, 0)
    assert found.pool.interrupted == 0
    assert found.pool.pod_hours is not None
    assert found.fixed.pod_hours is not None
    assert found.pool.pod_hours <= found.fixed.pod_hours
    assert found.recorded is not None
    assert found.recorded.p99 == 1


def test_fixed_pods_are_the_fewest_that_keep_the_promise() -> None:
    bulk = History.of("q", [Run(ready=NOW, seconds=10.0) for _ in range(100)])
    asked = setting(objective_seconds=25.0, objective_percentile=100.0)
    found = compared(bulk, asked)
    assert found.fixed_pods == 7, "100 jobs in three rounds of at most 35"
    assert compared(bulk, asked, fixed_pods=6).fixed.late > 0


def test_the_least_and_the_most_pods_hold_for_every_policy() -> None:
    asked = setting(min_replicas=2, max_replicas=3)
    found = compared(history(every=0.2, seconds=10.0), asked)
    for figures in (found.pool, found.keda):
        assert figures.peak == 3
    assert compared(history(), asked).keda.writes == 0, "two are more than it wants, and the least"


def test_a_pin_or_a_pause_of_the_manifest_is_no_scaling_and_is_left_out() -> None:
    pinned = replace(setting(), rules=replace(setting().rules, pinned=1))
    assert compared(history(), pinned).pool == compared(history(), setting()).pool


def test_advice_follows_from_the_durations() -> None:
    found = advise(history(seconds=4.0), setting())
    assert value(found, "expectedJobSeconds") == 4
    assert value(found, "concurrency") == 5
    assert (value(found, "minReplicas"), value(found, "maxReplicas")) == (0, 2)
    assert found.figures.late <= 1


def test_long_jobs_get_a_long_drain_and_a_longer_objective() -> None:
    found = advise(history(jobs=20, every=60, seconds=400.0), setting())
    [drain] = [each for each in found.advice if each.path == ("drain", "seconds")]
    [objective] = [each for each in found.advice if each.path[-2:] == ("waitObjective", "seconds")]
    assert (drain.value, objective.value) == (600, 400)


def test_short_jobs_get_a_threshold_that_does_not_buy_pods_for_a_second_of_work() -> None:
    assert value(advise(history(seconds=0.1), setting()), "queueLength") == 3000


def test_concurrency_follows_from_the_cpu_of_a_job_by_steps() -> None:
    busy = advise(history(seconds=4.0), setting(), workers=Workers(slots=10, job_cpu_seconds=2.0))
    light = advise(history(seconds=4.0), setting(), workers=Workers(slots=10, job_cpu_seconds=0.04))
    assert (value(busy, "concurrency"), value(light, "concurrency")) == (1, 20)


def test_standing_pods_are_proposed_when_a_pod_start_breaks_the_promise() -> None:
    chance = random.Random(4)
    rare = History.of("q", [Run(ready=NOW + 400.0 * n + chance.random(), seconds=2.0) for n in range(12)])
    asked = setting(objective_seconds=5.0)
    assert value(advise(rare, asked, objective=5), "minReplicas") == 1
    assert value(advise(rare, asked, objective=60), "minReplicas") == 0


def test_the_same_history_gives_the_same_advice() -> None:
    assert advise(history(), setting()) == advise(history(), setting())


@given(st.floats(0.01, 1e7))
def test_nice_numbers_are_near_and_never_below(number: float) -> None:
    nice = nice_above(number)
    assert nice >= min(number, 1e9) * (1 - 1e-6)
    assert nice <= max(2 * number, 1) + 1
