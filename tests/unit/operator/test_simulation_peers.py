"""The models of other autoscalers do what their documentation says; each test names the page."""

from __future__ import annotations

import pytest

from bullpen_operator.simulation.peers import (
    Hpa,
    Wpa,
    aws_backlog,
    hpa_desired,
    hpa_growth,
    keda_default,
    keda_wait_active,
    thumb_step,
    wpa_desired,
)
from bullpen_operator.simulation.trace import Trace
from bullpen_operator.simulation.world import World


def world(*, waiting: int = 0, pods: int = 0) -> World:
    made = World(Trace("t", 1e6, [0.0] * waiting, [1e6] * waiting), slots=5, objective=30, seed=1, most_pods=100)
    made.scale(pods, 0.0)
    made.queue.extend(range(waiting))
    return made


@pytest.mark.parametrize(
    ("replicas", "metric", "desired"),
    [
        (2, 10, 2),
        (2, 10.9, 2),  # within the tolerance of a tenth
        (2, 11.1, 3),
        (2, 9.1, 2),
        (2, 4, 1),
        (0, 12, 3),
        (3, 0, 0),
    ],
)
def test_hpa_divides_the_metric_by_the_target_within_a_tolerance(replicas: int, metric: float, desired: int) -> None:
    """kubernetes.io, Horizontal Pod Autoscaling, Algorithm details: 0.1, globally configurable tolerance."""
    assert hpa_desired(replicas, metric, 5) == desired


@pytest.mark.parametrize(("replicas", "most"), [(1, 5), (4, 8), (5, 10), (40, 80)])
def test_hpa_grows_by_four_pods_or_doubles_in_15_s_whichever_is_more(replicas: int, most: int) -> None:
    """kubernetes.io, Horizontal Pod Autoscaling, Default behavior: 100 percent or 4 pods every 15 s, the larger."""
    assert hpa_growth(replicas) == most
    assert Hpa().decide(replicas, 10_000, 5, 0.0) == most


def test_hpa_shrinks_to_the_highest_recommendation_of_300_s() -> None:
    """kubernetes.io, Horizontal Pod Autoscaling, Default behavior: stabilizationWindowSeconds 300 for scaleDown."""
    hpa = Hpa()
    assert hpa.decide(8, 40, 5, 0.0) == 8
    assert [hpa.decide(8, 5, 5, float(now)) for now in (15, 285)] == [8, 8]
    assert hpa.decide(8, 5, 5, 300.0) == 1


def test_hpa_alone_never_goes_to_zero() -> None:
    """keda.sh, Scaling Deployments: KEDA does 0 → 1 and 1 → 0, the HPA 1 → n."""
    assert Hpa().decide(3, 0, 5, 0.0) == 1


def test_keda_activates_at_a_poll_and_to_one_pod() -> None:
    """keda.sh, ScaledObject specification: pollingInterval 30 s; activation above 0."""
    seen, policy = world(waiting=100), keda_default()
    policy.look(seen, 15.0)
    assert seen.replicas == 0
    policy.look(seen, 30.0)
    assert seen.replicas == 1


def test_keda_goes_to_zero_after_the_cooldown() -> None:
    """keda.sh, ScaledObject specification: cooldownPeriod 300 s after the last trigger reported active."""
    seen, policy = world(pods=1), keda_default()
    seen.queue.append(0)
    policy.look(seen, 0.0)
    seen.queue.clear()
    policy.look(seen, 270.0)
    assert seen.replicas > 0
    policy.look(seen, 300.0)
    assert seen.replicas == 0


def test_keda_on_the_wait_list_does_not_see_running_jobs() -> None:
    """keda.sh, Redis Lists scaler: the length of the list, listLength 5 a pod; a running job is in another list."""
    seen = world(waiting=12, pods=1)
    seen.active = 20
    keda_default().look(seen, 15.0)
    assert seen.replicas == 3
    keda_wait_active(5).look(seen, 15.0)
    assert seen.replicas == 7


@pytest.mark.parametrize(
    ("objective", "service", "slots", "backlog"), [(10, 0.1, 1, 100), (30, 5, 5, 30), (30, 500, 5, 1)]
)
def test_the_acceptable_backlog_of_aws(objective: float, service: float, slots: int, backlog: float) -> None:
    """docs.aws.amazon.com, Scaling policy based on Amazon SQS: latency 10 s ÷ 0.1 s a message = 100 messages."""
    assert aws_backlog(objective=objective, service=service, slots=slots) == backlog


@pytest.mark.parametrize(
    ("seen", "workers"),
    [
        ({"replicas": 0, "messages": 21, "target": 10}, 3),
        ({"replicas": 10, "messages": 105, "target": 10}, 10),  # 11 of 10 is within a tenth
        ({"replicas": 3, "messages": 0, "per_minute": 120.0, "process_seconds": 2.0}, 4),
        ({"replicas": 3, "messages": 5, "per_minute": 600.0, "process_seconds": 1.0}, 10),
        ({"replicas": 3, "messages": 0, "idle": 2}, 3),
        ({"replicas": 3, "messages": 0, "idle": 3}, 0),
    ],
    ids=[
        "from zero by the backlog",
        "small changes are left out",
        "without backlog the throughput holds the least",
        "the least holds under a backlog too",
        "not down while one works",
        "down when all are idle",
    ],
)
def test_wpa(seen: dict[str, float], workers: int) -> None:
    """github.com/practo/k8s-worker-pod-autoscaler: README; targetMessagesPerWorker, secondsToProcessOneJob."""
    usual = {"per_minute": 0.0, "process_seconds": 1.0, "target": 10.0, "idle": 0}
    assert wpa_desired(**(usual | seen)) == workers  # type: ignore[arg-type]


def test_wpa_looks_every_20_s() -> None:
    """The same README: --resync-period 20."""
    assert Wpa(objective=30, service=1, slots=5).interval == 20


@pytest.mark.parametrize(
    ("seen", "replicas"),
    [
        ({"waiting": 101}, 4),
        ({"waiting": 1, "oldest": 61.0}, 4),
        ({"waiting": 50, "oldest": 59.0}, 3),
        ({"active": 10}, 2),
        ({"active": 11}, 3),
    ],
)
def test_rules_of_thumb_step_by_one(seen: dict[str, float], replicas: int) -> None:
    """docs/design/scaling.md §1: length > 100, wait > 60 s."""
    usual = {"replicas": 3, "waiting": 0, "oldest": 0.0, "active": 15, "slots": 5}
    assert thumb_step(**(usual | seen)) == replicas  # type: ignore[arg-type]
