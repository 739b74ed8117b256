"""What a look at the cluster makes of it, and which repair follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hack.cluster.health import Condition, Container, Sight, diagnose, ready_nodes, renewed_since
from hack.cluster.record import Record

ONE = Container(name="bullpen-control-plane", id="c1", running=True)
TWO = Container(name="bullpen-worker", id="c2", running=True)
MADE = Record(definition="d1", image="node:1", containers={ONE.name: ONE.id, TWO.name: TWO.id})
WELL = Sight(record=MADE, containers=(ONE, TWO), ready=frozenset({ONE.name, TWO.name}), dns=True)


@pytest.mark.parametrize(
    ("sight", "condition", "reason"),
    [
        pytest.param(WELL, Condition.HEALTHY, "ready", id="all nodes and the DNS answer"),
        pytest.param(Sight(record=None, containers=()), Condition.ABSENT, "there is none", id="nothing was ever made"),
        pytest.param(replace(WELL, containers=()), Condition.ABSENT, "gone", id="the containers were removed"),
        pytest.param(replace(WELL, record=None), Condition.HALF_MADE, "interrupted", id="the making was interrupted"),
        pytest.param(
            replace(WELL, record=replace(MADE, definition="d0")),
            Condition.STALE,
            "another definition",
            id="it was made from other files",
        ),
        pytest.param(
            replace(WELL, containers=(ONE, replace(TWO, id="c9"))),
            Condition.HALF_MADE,
            "not the ones",
            id="a node was replaced behind our back",
        ),
        pytest.param(replace(WELL, containers=(ONE,)), Condition.HALF_MADE, "not the ones", id="a node is missing"),
        pytest.param(
            Sight(record=MADE, containers=(ONE, replace(TWO, running=False))),
            Condition.STOPPED,
            "bullpen-worker does not run",
            id="a node does not run",
        ),
        pytest.param(replace(WELL, ready=None), Condition.UNWELL, "API server", id="the API server does not answer"),
        pytest.param(
            replace(WELL, ready=frozenset({ONE.name})),
            Condition.UNWELL,
            "bullpen-worker is not ready",
            id="a node is not ready",
        ),
        pytest.param(replace(WELL, dns=False), Condition.UNWELL, "DNS", id="the DNS does not answer"),
    ],
)
def test_diagnosis(sight: Sight, condition: Condition, reason: str) -> None:
    verdict = diagnose(sight, "d1")
    assert verdict.condition is condition
    assert reason in verdict.reason


def test_a_stale_cluster_is_not_started_first_when_it_is_stopped_too() -> None:
    stopped = replace(WELL, containers=(replace(ONE, running=False), TWO))
    assert diagnose(stopped, "another").condition is Condition.STALE


def test_only_nodes_with_a_true_ready_condition_are_ready() -> None:
    listing = {
        "items": [
            {"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}},
            {"metadata": {"name": "b"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}},
            {"metadata": {"name": "c"}, "status": {"conditions": [{"type": "DiskPressure", "status": "True"}]}},
            {"metadata": {"name": "d"}},
        ]
    }
    assert ready_nodes(listing) == {"a"}


def test_a_lease_of_before_the_restart_does_not_count() -> None:
    listing = {
        "items": [
            {"metadata": {"name": "old"}, "spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}},
            {"metadata": {"name": "new"}, "spec": {"renewTime": "2026-01-01T00:00:10.000000Z"}},
            {"metadata": {"name": "never"}, "spec": {}},
        ]
    }
    assert renewed_since(listing, datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)) == {"new"}
