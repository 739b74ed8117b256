"""The simulated queue and pods, where the answer can be computed by hand or from queueing theory."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from autoscaler.runs import POLICIES, figures
from autoscaler.traces import generated

from bullpen_operator.scaling.erlang import waiting_probability
from bullpen_operator.simulation.bullpen_policy import Bullpen
from bullpen_operator.simulation.trace import Trace
from bullpen_operator.simulation.world import GRACE_SECONDS, STALLED_SECONDS, World


class Fixed:
    """A script: at each second, the number to write."""

    interval = 1.0

    def __init__(self, **at: int) -> None:
        self._at = {float(second[1:]): number for second, number in at.items()}

    def asleep(self, world: World) -> bool:
        return False

    def look(self, world: World, now: float) -> None:
        if now in self._at:
            world.scale(self._at[now], now)


def run(trace: Trace, *, slots: int = 1, seed: int = 1, **at: int) -> World:
    made = World(trace, slots=slots, objective=30, seed=seed, most_pods=1000)
    made.run(Fixed(**at))
    return made


def test_pods_start_in_8_s_on_average_and_nine_of_ten_in_13_s() -> None:
    trace = Trace("t", 200.0, [0.0] * 3000, [1000.0] * 3000)
    starts = sorted(run(trace, _0=1000).outcome.waits)

    assert len(starts) == 1000
    assert statistics.fmean(starts) == pytest.approx(8, rel=0.05)
    assert starts[900] == pytest.approx(13, rel=0.08)


def test_waits_are_those_of_m_m_n() -> None:
    chance = random.Random(3)
    arrivals, time = [], 60.0
    while time < 40_000:
        time += chance.expovariate(4.0)
        arrivals.append(time)
    trace = Trace("mmn", 40_000.0, arrivals, [chance.expovariate(1.0) for _ in arrivals])
    waits = run(trace, slots=5, _0=1).outcome.waits

    waited = sum(wait > 0 for wait in waits) / len(waits)
    assert waited == pytest.approx(waiting_probability(5, 4.0), abs=0.03)
    assert statistics.fmean(waits) == pytest.approx(waiting_probability(5, 4.0) / (5 - 4.0), rel=0.15)


def test_a_busy_pod_has_the_grace_period_and_then_its_job_is_interrupted_and_comes_back() -> None:
    trace = Trace("t", 1000.0, [60.0], [200.0])
    seen = run(trace, _0=1, _100=0, _101=1)

    assert (seen.outcome.interrupted, seen.outcome.failed, seen.finished) == (1, 0, 1)
    assert seen.outcome.waits == [0.0], "the second start is no wait of a new job"
    assert 100 + GRACE_SECONDS + STALLED_SECONDS + 200 < 1000


def test_a_job_that_is_interrupted_twice_has_failed() -> None:
    trace = Trace("t", 1000.0, [60.0], [200.0])
    seen = run(trace, _0=1, _100=0, _101=1, _250=0, _251=1)

    assert (seen.outcome.interrupted, seen.outcome.failed, seen.finished) == (2, 1, 0)


def test_a_job_that_ends_within_the_grace_period_is_not_interrupted() -> None:
    seen = run(Trace("t", 1000.0, [60.0], [60.0]), _0=1, _100=0)

    assert (seen.outcome.interrupted, seen.finished) == (0, 1)


def test_pods_are_paid_from_when_they_are_asked_for_until_they_are_gone() -> None:
    assert run(Trace("t", 500.0, [], []), _0=2, _100=1, _300=0).outcome.pod_seconds == 2 * 100 + 200


def test_jobs_that_never_started_are_late() -> None:
    seen = run(Trace("t", 100.0, [10.0, 80.0], [1.0, 1.0]))

    assert seen.outcome.overdue == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_finishes_a_workload_and_loses_no_job(policy: str) -> None:
    chance = random.Random(5)
    arrivals = sorted(chance.uniform(0, 1200) for _ in range(400))
    trace = Trace("t", 9000.0, arrivals, [chance.expovariate(1 / 10) for _ in arrivals])
    seen = World(trace, slots=5, objective=30, seed=1, most_pods=100)
    outcome = seen.run(POLICIES[policy](trace))

    assert seen.finished + outcome.failed == 400
    assert len(outcome.waits) == 400


def test_the_planner_keeps_its_promise_and_interrupts_nothing() -> None:
    bulk = next(source for source in generated() if source.name == "bulk-1000").make(1)
    result = figures(bulk, "generated", "bullpen", 1)

    assert (result.violations, result.interrupted, result.failed) == (0, 0, 0)


def test_a_run_depends_on_its_seed_alone() -> None:
    trace = next(source for source in generated() if source.name == "sparse").make(2)

    def played() -> list[float]:
        world = World(trace, slots=5, objective=30, seed=4, most_pods=100)
        return world.run(Bullpen.simple(slots=5, most_pods=100, objective=30)).waits

    assert played() == played()


def test_bulks_leave_from_zero_in_time() -> None:
    """⌈n1 ÷ c⌉ for 1,000 jobs whose service time is not known yet, in one write."""
    trace = Trace("t", 20.0, [1.0] * 1000, [3.0] * 1000)
    world = World(trace, slots=5, objective=30, seed=1, most_pods=1000)
    policy = Bullpen.simple(slots=5, most_pods=1000, objective=30)
    policy.look(world, 0.0)
    world._until(2.0)
    policy.look(world, 2.0)

    assert world.outcome.writes == 1
    assert world.replicas >= math.ceil(1000 / (1 + 18 / 1) / 5)
