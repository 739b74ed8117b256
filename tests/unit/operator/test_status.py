"""The status: what it shows, which conditions turn when, and when it is worth a write."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bullpen_operator.api.pool import WorkerPool
from bullpen_operator.api.reasons import ConditionType, Reason
from bullpen_operator.api.vocabulary import REASONS
from bullpen_operator.engine.status import REFRESH_SECONDS, rounded, status_of, write_due
from bullpen_operator.engine.view import Obstacle, View
from bullpen_operator.scaling.observation import NO_FLEET, Fleet, QueueReading, ReadingFailed
from bullpen_operator.scaling.plan import Memory, Rules, plan
from bullpen_operator.scaling.rates import Rates
from tests.unit.operator.facts import NOW, fleet, pool, reading, unreachable

THEN, LATER = "2027-01-15T08:00:00Z", "2027-01-15T08:01:40Z"
FAILED_TEMPLATE = Obstacle(reason=Reason.TEMPLATE_REJECTED, message="spec.template cannot be used: …")


def status(
    of: WorkerPool,
    *,
    seen: Fleet = NO_FLEET,
    observed: QueueReading | ReadingFailed | None = None,
    applied: bool = True,
    obstacle: Obstacle | None = None,
    refused: bool = False,
    now: float = NOW,
) -> dict[str, Any]:
    """One turn: the plan on what is seen, carried out unless refused, and the status after it."""
    known = reading() if observed is None else observed
    decision = plan(rules=Rules.of(of.spec), reading=known, fleet=seen, memory=Memory(since=NOW - 1000), now=now)
    taken = decision.changes and not refused
    view = View(
        pool=of,
        fleet=replace(seen, replicas=decision.to) if taken else seen,
        reading=known,
        applied=applied,
        obstacle=obstacle,
        decision=decision,
        now=now,
    )
    shown = status_of(view)
    for entry in shown["conditions"]:  # what is said is in the vocabulary that is documented
        assert entry["reason"] in REASONS[entry["type"]]
    return shown


def condition(of: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(entry for entry in of["conditions"] if entry["type"] == kind)


def says(of: dict[str, Any], kind: str) -> tuple[str, str]:
    entry = condition(of, kind)
    return entry["status"], entry["reason"]


def test_shows_a_pool_at_work() -> None:
    observed = reading(waiting=1234, active=48, delayed=7, failed=101, oldest_wait_seconds=41.7)

    shown = status(pool(), seen=fleet(5, ready=3), observed=observed)

    assert shown | {"conditions": None} == {
        "observedGeneration": 1,
        "replicas": 5,
        "readyReplicas": 3,
        "desiredReplicas": 10,
        "ready": "3/10",
        "selector": "bullpen.dev/pool=video",
        "queue": {
            "waiting": 1200,
            "active": 48,
            "delayed": 7,
            "failed": 100,
            "oldestWaitSeconds": 41,
            "paused": False,
        },
        "rates": {"arrivals": 0, "completions": 0, "serviceSeconds": 86000, "source": "FinishedSets"},
        "decision": {
            "time": THEN,
            "from": 5,
            "to": 10,
            "reason": "Backlog",
            "limitedBy": "MaxReplicas",
            "message": "5 → 10: 1234 waiting + 48 active × 86400 s, budget 5 s, limited by maxReplicas 10",
            "inputs": {
                "concurrency": 10,
                "waiting": 1234,
                "due": 0,
                "dueSoon": 0,
                "active": 48,
                "oldestWaitSeconds": 41.7,
                "newestWaitSeconds": 41.7,
                "arrivalsPerSecond": 0,
                "sustainedPerSecond": 0,
                "serviceSeconds": 86400,
                "leadSeconds": 10,
                "budgetSeconds": 5,
                "slots": 1282.103,
                "presentSlots": 30,
                "deadlineSlots": 1282.103,
                "steadySlots": 0,
                "workSlots": 1283,
                "podsForObjective": 129,
                "podsForQueueLength": 13,
                "podsForWaitSeconds": 0,
                "podsForCpu": 0,
            },
        },
        "lastScaleTime": THEN,
        "conditions": None,
    }


def test_every_condition_stands_on_the_status() -> None:
    kinds = [entry["type"] for entry in status(pool())["conditions"]]

    assert kinds == [*ConditionType]


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, 0), (7, 7), (99, 99), (100, 100), (101, 100), (149, 150), (1234, 1200), (98765, 99000), (-4, 0)],
)
def test_rounds_to_two_significant_digits(number: int, shown: int) -> None:
    assert rounded(number) == shown


class TestReady:
    def test_a_new_pool_is_not_ready_before_its_deployment_stands(self) -> None:
        shown = status(pool(), seen=NO_FLEET, applied=False)

        assert says(shown, "Ready") == ("False", "PodsStarting")
        assert says(shown, "Reconciling") == ("True", "PodsStarting")

    def test_a_pool_at_zero_is_ready(self) -> None:
        shown = status(pool(), seen=fleet(0))

        assert says(shown, "Ready") == ("True", "AtZero")
        assert says(shown, "Reconciling") == ("False", "UpToDate")

    def test_a_new_pool_waits_for_its_first_pods(self) -> None:
        assert says(status(pool(), seen=fleet(2, ready=1)), "Ready") == ("False", "PodsStarting")
        assert says(status(pool(), seen=fleet(2, ready=2)), "Ready") == ("True", "PodsReady")

    @pytest.mark.parametrize(
        "seen",
        [fleet(5, ready=0), fleet(5, ready=0, observed=False), fleet(0), NO_FLEET],
        ids=["from zero", "just scaled", "to zero", "deleted by hand"],
    )
    def test_a_change_of_size_never_turns_it(self, seen: Fleet) -> None:
        before = status(pool(), seen=fleet(2))

        after = status(pool(status=before), seen=seen, now=NOW + 100)

        assert says(after, "Ready")[0] == "True"
        assert condition(after, "Ready")["lastTransitionTime"] == THEN

    @pytest.mark.parametrize("reason", [Reason.UNREACHABLE, Reason.SECRET_MISSING, Reason.AUTHENTICATION_FAILED])
    def test_a_gap_in_the_metrics_never_turns_it(self, reason: Reason) -> None:
        before = status(pool(), seen=fleet(2))

        after = status(pool(status=before), seen=fleet(2), observed=unreachable(reason), now=NOW + 100)

        assert condition(after, "Ready") == condition(before, "Ready")
        assert says(after, "QueueReachable") == ("False", reason)
        assert says(after, "ScalingActive") == ("False", reason)
        assert after["queue"] == before["queue"]

    def test_a_rollout_never_turns_it_and_is_not_said_to_be_over(self) -> None:
        """`kubectl wait` compares the condition's generation; kstatus looks at Reconciling."""
        before = status(pool(), seen=fleet(2))

        during = status(pool(status=before, generation=2), seen=fleet(2, updated=1, rolling=True), applied=True)
        assert says(during, "Ready")[0] == "True"
        assert condition(during, "Ready")["observedGeneration"] == 1
        assert says(during, "Reconciling") == ("True", "RolloutInProgress")
        assert during["observedGeneration"] == 2

        after = status(pool(status=during, generation=2), seen=fleet(2), now=NOW + 100)
        assert condition(after, "Ready")["observedGeneration"] == 2
        assert condition(after, "Ready")["lastTransitionTime"] == THEN
        assert says(after, "Reconciling") == ("False", "UpToDate")

    def test_a_new_generation_that_is_not_applied_yet_is_not_taken_for_done(self) -> None:
        before = status(pool(), seen=fleet(2))

        during = status(pool(status=before, generation=2), seen=fleet(2), applied=False)

        assert condition(during, "Ready")["observedGeneration"] == 1
        assert says(during, "Reconciling")[0] == "True"

    def test_a_rejected_template_turns_it_and_stalls(self) -> None:
        before = status(pool(), seen=fleet(2))

        after = status(pool(status=before, generation=2), seen=fleet(2), applied=False, obstacle=FAILED_TEMPLATE)

        for kind, state in {
            "Ready": "False",
            "Reconciling": "False",
            "Stalled": "True",
            "ScalingActive": "False",
        }.items():
            assert says(after, kind) == (state, "TemplateRejected")
            assert condition(after, kind)["message"] == FAILED_TEMPLATE.message

    def test_a_rollout_that_gave_up_turns_it(self) -> None:
        before = status(pool(), seen=fleet(2))
        stuck = fleet(2, rolling=True, stalled=True, stalled_message="ReplicaSet has timed out progressing.")

        after = status(pool(status=before, generation=2), seen=stuck)

        assert says(after, "Ready") == ("False", "RolloutStalled")
        assert condition(after, "Stalled")["message"] == "ReplicaSet has timed out progressing."

    def test_a_write_that_failed_is_no_failure_of_the_pool(self) -> None:
        before = status(pool(), seen=fleet(2))
        passing = Obstacle(reason=Reason.WRITE_FAILED, message="No answer within 10 s.")

        after = status(pool(status=before), seen=fleet(2), obstacle=passing)

        assert says(after, "Ready")[0] == "True"
        assert says(after, "Reconciling") == ("True", "WriteFailed")
        assert says(after, "Stalled")[0] == "False"


class TestQueueConditions:
    def test_a_queue_that_does_not_exist_is_named(self) -> None:
        shown = status(pool(prefix="app"), observed=reading(exists=False))

        assert says(shown, "QueueReachable")[0] == "True"
        assert says(shown, "QueueFound") == ("False", "QueueNotFound")
        assert "app:video:meta nor app:video:id" in condition(shown, "QueueFound")["message"]
        assert says(shown, "ScalingActive") == ("False", "QueueNotFound")

    def test_what_was_known_of_the_queue_outlives_an_outage(self) -> None:
        before = status(pool(), seen=fleet(1))
        after = status(pool(status=before), seen=fleet(1), observed=unreachable(), now=NOW + 100)

        assert condition(after, "QueueFound") == condition(before, "QueueFound")

    def test_nothing_is_known_of_a_queue_that_was_never_read(self) -> None:
        shown = status(pool(), observed=unreachable())

        assert says(shown, "QueueFound") == ("Unknown", "NotRead")
        assert "queue" not in shown

    @pytest.mark.parametrize(
        ("spec", "observed", "reason"),
        [
            ({"replicas": 3}, reading(), "Pinned"),
            ({"replicas": 3}, unreachable(), "Pinned"),
            ({"scaling": {"paused": "In"}}, reading(), "Paused"),
            ({}, reading(paused=True), "QueuePaused"),
        ],
        ids=["pinned", "pinned without Redis", "paused by the spec", "paused by the queue"],
    )
    def test_scaling_says_why_it_does_not_follow_the_queue(
        self, spec: dict[str, Any], observed: QueueReading | ReadingFailed, reason: str
    ) -> None:
        assert says(status(pool(**spec), observed=observed), "ScalingActive") == ("False", reason)

    def test_scaling_is_active_otherwise(self) -> None:
        assert says(status(pool()), "ScalingActive") == ("True", "Scaling")


class TestDecision:
    def test_the_decision_that_made_the_number_stays_on_the_status(self) -> None:
        before = status(pool(), seen=fleet(0), observed=reading(waiting=500))
        after = status(pool(status=before), seen=fleet(10), observed=reading(waiting=400), now=NOW + 100)

        assert after["decision"] == before["decision"]
        assert after["decision"]["message"].startswith("0 → 10: 500 waiting")
        assert after["lastScaleTime"] == THEN

    def test_another_reason_for_the_same_number_replaces_it(self) -> None:
        before = status(pool(), seen=fleet(0), observed=reading(waiting=500))
        after = status(pool(status=before), seen=fleet(10), now=NOW + 100)

        assert (after["decision"]["from"], after["decision"]["limitedBy"]) == (10, "IdleWindow")
        assert after["decision"]["time"] == LATER
        assert after["lastScaleTime"] == THEN

    def test_a_number_that_could_not_be_written_is_not_told_as_done(self) -> None:
        shown = status(pool(), seen=fleet(0), observed=reading(waiting=5), refused=True)

        assert shown["desiredReplicas"] == 1
        assert "lastScaleTime" not in shown

    def test_a_pool_scales_on_under_a_rejected_template(self) -> None:
        shown = status(pool(), seen=fleet(0), observed=reading(waiting=5), obstacle=FAILED_TEMPLATE)

        assert shown["lastScaleTime"] == THEN
        assert shown["decision"]["to"] == 1


class TestWriteDue:
    def test_the_first_status_is_written(self) -> None:
        assert write_due(before={}, after=status(pool()), written_at=None, refreshed_at=None, now=NOW)

    def test_a_pool_at_rest_is_never_written_again(self) -> None:
        before = status(pool(), seen=fleet(0))
        after = status(pool(status=before), seen=fleet(0), now=NOW + 86400)

        assert after == before
        assert not write_due(before=before, after=after, written_at=None, refreshed_at=None, now=NOW + 86400)

    @pytest.mark.parametrize(
        ("seen", "observed"),
        [
            (fleet(1, ready=0), reading(active=1)),
            (fleet(1), reading(waiting=30)),
            (fleet(1), unreachable()),
            (fleet(1), reading(active=1, paused=True)),
        ],
        ids=["a pod less is ready", "a number is decided", "a condition turns", "the queue is paused"],
    )
    def test_what_matters_is_written_at_once(self, seen: Fleet, observed: QueueReading | ReadingFailed) -> None:
        before = status(pool(), seen=fleet(1), observed=reading(active=1))
        after = status(pool(status=before), seen=seen, observed=observed, now=NOW + 1)

        assert write_due(before=before, after=after, written_at=NOW, refreshed_at=NOW, now=NOW + 1)

    def test_numbers_alone_wait_for_the_minute(self) -> None:
        before = status(pool(), seen=fleet(3), observed=reading(active=25))
        after = status(pool(status=before), seen=fleet(3), observed=reading(active=21, waiting=3), now=NOW + 1)

        assert not write_due(
            before=before, after=after, written_at=NOW, refreshed_at=NOW, now=NOW + REFRESH_SECONDS - 0.1
        )
        assert write_due(before=before, after=after, written_at=NOW, refreshed_at=NOW, now=NOW + REFRESH_SECONDS)
        assert write_due(before=before, after=after, written_at=None, refreshed_at=None, now=NOW + 1)

    def test_a_new_reason_for_the_same_number_is_told_soon_but_not_each_time(self) -> None:
        before = status(pool(), seen=fleet(3), observed=reading(active=25))
        after = status(pool(status=before), seen=fleet(3), observed=reading(), now=NOW + 1)

        assert after["decision"]["reason"] != before["decision"]["reason"]
        assert write_due(before=before, after=after, written_at=NOW, refreshed_at=None, now=NOW + 1)
        minute = NOW + REFRESH_SECONDS
        assert not write_due(before=before, after=after, written_at=NOW, refreshed_at=NOW, now=minute - 0.1)
        assert write_due(before=before, after=after, written_at=minute - 1, refreshed_at=NOW, now=minute)

    def test_numbers_that_round_to_the_same_are_the_same(self) -> None:
        before = status(pool(), seen=fleet(10), observed=reading(waiting=1201))
        after = status(pool(status=before), seen=fleet(10), observed=reading(waiting=1249), now=NOW + 100)

        assert not write_due(before=before, after=after, written_at=NOW, refreshed_at=NOW, now=NOW + 100)


def test_the_status_holds_nothing_that_json_would_change() -> None:

    shown = status(pool(), seen=fleet(1), observed=reading(waiting=5, oldest_wait_seconds=12.3456))

    assert json.loads(json.dumps(shown, allow_nan=False)) == shown


def test_what_was_learned_is_shown_in_two_digits_and_outlives_an_outage() -> None:
    learned = Memory(since=NOW - 1000, rates=Rates(slow=12.345, finishing=0.0012, exposure=300, completions=97))
    decision = plan(rules=Rules.of(pool().spec), reading=reading(), fleet=fleet(1), memory=learned, now=NOW)
    view = View(pool=pool(), fleet=fleet(1), reading=reading(), applied=True, obstacle=None, decision=decision, now=NOW)
    shown = status_of(view)
    assert shown["rates"] == {"arrivals": 12, "completions": 0, "serviceSeconds": 2600, "source": "FinishedSets"}
    assert status(pool(status=shown), observed=unreachable())["rates"] == shown["rates"]
