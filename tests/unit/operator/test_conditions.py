"""Conditions beyond Ready: what limits a pool, whether its promise holds, whether its pods can run."""

from __future__ import annotations

from typing import Any

import pytest

from bullpen_operator.api.pool import WorkerPool
from bullpen_operator.api.reasons import Reason
from bullpen_operator.engine.announce import changed
from bullpen_operator.engine.promise import Starts
from bullpen_operator.engine.status import status_of, write_due
from bullpen_operator.engine.view import View
from bullpen_operator.scaling.observation import Fleet, PodTrouble, QueueReading, ReadingFailed
from bullpen_operator.scaling.plan import Memory, Rules, plan
from tests.unit.operator.facts import NOW, fleet, pool, reading, unreachable
from tests.unit.operator.test_promise import counted


def status(
    of: WorkerPool | None = None,
    *,
    seen: Fleet | None = None,
    observed: QueueReading | ReadingFailed | None = None,
    now: float = NOW,
    unread_since: float | None = None,
    sharing: tuple[str, ...] = (),
    starts: Starts | None = None,
    written: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The status of a pool of ten slots a pod whose size was just decided, over the one `written` before."""
    made = of or pool()
    made = made.model_copy(update={"status": written or {}})
    present = seen or fleet(2)
    known = observed or reading()
    memory = Memory(since=NOW - 1000, unread_since=unread_since)
    decision = plan(rules=Rules.of(made.spec), reading=known, fleet=present, memory=memory, now=now)
    view = View(
        pool=made,
        fleet=present,
        reading=known,
        applied=True,
        obstacle=None,
        decision=decision,
        now=now,
        sharing=sharing,
        promise=(starts or Starts()).promise(known, promised=made.spec.scaling.wait_objective.seconds),
    )
    return status_of(view)


def says(of: dict[str, Any], kind: str) -> tuple[str, str]:
    entry = next(entry for entry in of["conditions"] if entry["type"] == kind)
    return entry["status"], entry["reason"]


def told(before: dict[str, Any], after: dict[str, Any], of: WorkerPool | None = None) -> list[str]:
    return [notice.reason.value for notice in changed(of or pool(), before, after)]


class TestScalingLimited:
    @pytest.mark.parametrize(
        ("spec", "observed", "seen", "state"),
        [
            ({}, reading(waiting=20), fleet(2), ("False", "NotLimited")),
            ({}, reading(waiting=500), fleet(10), ("True", "MaxReplicas")),
            ({}, reading(waiting=99, global_concurrency=20), fleet(2), ("True", "GlobalConcurrency")),
            ({}, reading(waiting=9, active=21), fleet(10), ("True", "AwaitingDrain")),
            ({}, reading(waiting=99), fleet(2, quota_message="exceeded quota: pods"), ("True", "Quota")),
            ({"replicas": 2}, reading(waiting=500), fleet(2), ("False", "NotLimited")),
            ({}, unreachable(), fleet(2), ("Unknown", "NotRead")),
        ],
        ids=["met", "maximum", "the queue's own limit", "busy pods", "quota", "pinned", "never read"],
    )
    def test_names_what_is_in_the_way(
        self, spec: dict[str, Any], observed: QueueReading, seen: Fleet, state: tuple[str, str]
    ) -> None:
        assert says(status(pool(**spec), observed=observed, seen=seen), "ScalingLimited") == state

    def test_a_step_that_only_waits_for_its_turn_keeps_the_limit_that_lasts(self) -> None:
        """The last limit of a decision may be a pause of seconds; the maximum holds all the same."""
        memory = Memory(since=NOW - 1000, grown_at=NOW - 1)
        observed, present, made = reading(waiting=500), fleet(6), pool()
        decision = plan(rules=Rules.of(made.spec), reading=observed, fleet=present, memory=memory, now=NOW)
        assert decision.limited_by == Reason.RATE_LIMIT

        view = View(pool=made, fleet=present, reading=observed, applied=True, obstacle=None, decision=decision, now=NOW)

        assert says(status_of(view), "ScalingLimited") == ("True", "MaxReplicas")

    def test_a_demand_that_swings_around_the_maximum_turns_it_at_most_once_a_minute(self) -> None:
        shown: dict[str, Any] = {}
        turns = 0
        for second in range(600):
            observed = reading(waiting=500 if second % 2 else 100)
            after = status(seen=fleet(10), observed=observed, now=NOW + second, written=shown)
            turns += bool(shown) and says(after, "ScalingLimited")[0] != says(shown, "ScalingLimited")[0]
            shown = after

        assert 2 <= turns <= 20


class TestObjectiveMet:
    def test_holds_until_a_job_has_waited_longer_than_promised(self) -> None:
        assert says(status(observed=reading(waiting=3, oldest_wait_seconds=30)), "ObjectiveMet")[0] == "True"
        missed = status(observed=reading(waiting=3, oldest_wait_seconds=30.5))
        assert says(missed, "ObjectiveMet") == ("False", "ObjectiveMissed")

    def test_says_how_many_were_late_and_how_many_may_be(self) -> None:
        starts = Starts()
        for on_time, late in ((0, 0), (950, 50)):
            starts.observe(reading(workers=counted(on_time, late)), promised=30, now=NOW)
        known = status(observed=reading(), starts=starts)
        assert says(known, "ObjectiveMet") == ("False", "ObjectiveMissed")
        (message,) = (entry["message"] for entry in known["conditions"] if entry["type"] == "ObjectiveMet")
        assert message.startswith(
            "5 % of the jobs of the last 5 min waited longer than the 30 s of scaling.waitObjective, which allows 1 %"
        )
        generous = pool(scaling={"waitObjective": {"percentile": 95}})
        assert says(status(generous, observed=reading(), starts=starts), "ObjectiveMet")[0] == "True"

    def test_nobody_is_promised_anything_of_a_paused_queue(self) -> None:
        observed = reading(paused=True, waiting=3, oldest_wait_seconds=300)
        assert says(status(observed=observed), "ObjectiveMet") == ("Unknown", "QueuePaused")

    def test_an_outage_leaves_it_as_it_was(self) -> None:
        before = status(observed=reading(waiting=3, oldest_wait_seconds=50))
        after = status(observed=unreachable(), written=before, now=NOW + 300)
        assert says(after, "ObjectiveMet") == ("False", "ObjectiveMissed")

    def test_is_told_and_told_to_be_over(self) -> None:
        met = status()
        missed = status(observed=reading(waiting=3, oldest_wait_seconds=50), written=met, now=NOW + 1)
        still = status(written=missed, now=NOW + 30)
        again = status(written=missed, now=NOW + 90)

        assert told(met, missed) == ["ObjectiveMissed"]
        assert told(missed, still) == []
        assert told(missed, again) == ["ObjectiveRecovered"]


class TestWorkersAvailable:
    @pytest.mark.parametrize(
        ("seen", "state"),
        [
            (fleet(0), ("True", "AtZero")),
            (fleet(2), ("True", "PodsReady")),
            (fleet(2, ready=0), ("True", "PodsStarting")),
            (fleet(2, ready=0, unavailable_since=NOW - 100), ("True", "PodsStarting")),
            (fleet(2, ready=0, unavailable_since=NOW - 200), ("False", "PodsNotReady")),
            (fleet(2, ready=0, quota_message="exceeded quota: pods"), ("False", "Quota")),
            (
                fleet(2, ready=1, trouble=PodTrouble(reason=Reason.CRASH_LOOP, message="1 of 2 pods: …")),
                ("False", "CrashLoop"),
            ),
        ],
        ids=["at zero", "ready", "from zero", "starting", "for minutes", "quota", "what a pod says"],
    )
    def test_tells_what_keeps_pods_from_running(self, seen: Fleet, state: tuple[str, str]) -> None:
        shown = status(seen=seen)

        assert says(shown, "WorkersAvailable") == state

    def test_a_crash_loop_of_running_pods_turns_it_and_not_ready(self) -> None:
        before = status()
        looping = fleet(2, ready=0, trouble=PodTrouble(reason=Reason.CRASH_LOOP, message="2 of 2 pods: …"))
        after = status(seen=looping, written=before, now=NOW + 10)

        assert says(after, "Ready")[0] == "True"
        assert told(before, after) == ["CrashLoop"]
        healed = status(written=after, now=NOW + 100)
        assert told(after, healed) == ["WorkersRecovered"]


class TestDraining:
    def test_tells_of_pods_that_finish(self) -> None:
        before = status(seen=fleet(3, draining=0))
        during = status(seen=fleet(3, draining=2, drained=0, busy=3), written=before)

        assert says(during, "Draining") == ("True", "Draining")
        assert (during["drainingReplicas"], during["busyReplicas"]) == (2, 3)

    def test_says_where_nothing_but_the_grace_period_protects_jobs(self) -> None:
        shown = status(seen=fleet(3, draining=2, unwatched=1))

        (draining,) = (each for each in shown["conditions"] if each["type"] == "Draining")
        assert "only their grace period protects" in draining["message"]

    def test_is_no_matter_where_pods_cannot_be_drained(self) -> None:
        shown = status()

        assert says(shown, "Draining") == ("False", "NotDraining")
        assert "drainingReplicas" not in shown
        assert "busyReplicas" not in shown


class TestScalingActive:
    outage = pool(scaling={"fallback": {"replicas": 3, "afterSeconds": 60}})

    def test_the_fallback_is_told_from_when_it_holds(self) -> None:
        before = status(self.outage)
        lost = status(self.outage, observed=unreachable(), written=before, unread_since=NOW - 59)
        holds = status(self.outage, observed=unreachable(), written=lost, unread_since=NOW - 60)
        back = status(self.outage, written=holds)

        assert says(lost, "ScalingActive") == ("False", "Unreachable")
        assert says(holds, "ScalingActive") == ("False", "Fallback")
        assert told(before, lost) == ["QueueUnreachable"]
        assert told(lost, holds) == ["FallbackActivated"]
        assert told(holds, back) == ["QueueRecovered", "FallbackDeactivated"]

    def test_an_operator_that_starts_in_an_outage_does_not_tell_its_end(self) -> None:
        holds = status(self.outage, observed=unreachable(), unread_since=NOW - 60)
        anew = status(self.outage, observed=unreachable(), written=holds, unread_since=NOW)

        assert told(holds, anew) == []

    def test_another_scaler_is_named(self) -> None:
        before = status()
        after = status(seen=fleet(2, foreign_scaler="HorizontalPodAutoscaler/video"), written=before)

        assert says(after, "ScalingActive") == ("False", "ForeignScaler")
        assert told(before, after) == ["ForeignScaler"]


def test_pools_that_share_a_queue_are_named() -> None:
    before = status()
    after = status(sharing=("media/old", "media/older"), written=before)

    assert says(after, "QueueShared") == ("True", "QueueShared")
    assert told(before, after) == ["QueueShared"]
    assert "media/old, media/older" in next(c["message"] for c in after["conditions"] if c["type"] == "QueueShared")
    unread = status(sharing=(), observed=unreachable(), written=after)
    assert says(unread, "QueueShared") == ("True", "QueueShared")


def test_a_quota_that_stops_growth_leaves_the_pool_ready() -> None:
    before = status()
    after = status(seen=fleet(5, ready=2, quota_message="exceeded quota: pods"), written=before, now=NOW + 10)

    assert says(after, "Ready")[0] == "True"
    assert says(after, "Stalled")[0] == "False"
    assert told(before, after) == ["Quota"]


def test_busy_counts_and_reasons_of_numbers_alone_cause_no_write() -> None:
    before = status(seen=fleet(10, busy=3, draining=0, drained=0), observed=reading(waiting=500))
    busier = status(seen=fleet(10, busy=9, draining=0, drained=0), observed=reading(waiting=500), written=before)
    limited = status(
        seen=fleet(10, busy=3, draining=0, drained=0),
        observed=reading(waiting=500, global_concurrency=50, active=50),
        written=before,
    )

    for after in (busier, limited):
        assert after != before
        assert not write_due(before=before, after=after, written_at=NOW, refreshed_at=NOW, now=NOW + 1)
