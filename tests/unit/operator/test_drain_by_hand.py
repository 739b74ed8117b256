"""The annotation of `kubectl bullpen drain`: the pod's worker is marked for as long as it stands there."""

from __future__ import annotations

from typing import Any

from bullpen_operator.api.pods import DRAIN_ANNOTATION
from bullpen_operator.cluster.pods import WorkerPod, slim_pod
from bullpen_operator.engine.crew import Member
from bullpen_operator.engine.drain import orders


def member(name: str, *, by_hand: str | None = None, marked: bool = False, jobs: int = 1) -> Member:
    annotations = {} if by_hand is None else {DRAIN_ANNOTATION: by_hand, "other": "x"}
    raw: dict[str, Any] = {
        "metadata": {
            "namespace": "media", "name": name, "uid": name, "resourceVersion": "1", "annotations": annotations
        },
        "spec": {"nodeName": "node"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }  # fmt: skip
    return Member(
        pod=WorkerPod.of(slim_pod(raw)),
        beat=None,
        lease=15.0 if marked else 0.0,
        jobs=jobs,
        oldest=1.0,
        free=marked and not jobs,
        costs=(0, 0),
        foreign=False,
        idle=0.0,
    )


def test_a_pod_with_the_annotation_is_marked_though_nothing_shrinks() -> None:
    crew = (member("a", by_hand="true"), member("b"))
    asked = orders(crew, desired=2, replicas=2, ending=False, shield=False)
    assert (set(asked.mark), set(asked.clear), set(asked.victims)) == ({"a"}, set(), set())


def test_the_mark_is_taken_back_when_the_annotation_is_gone() -> None:
    for value in (None, "false", ""):
        crew = (member("a", by_hand=value, marked=True), member("b"))
        asked = orders(crew, desired=2, replicas=2, ending=False, shield=False)
        assert (set(asked.mark), set(asked.clear)) == (set(), {"a"})


def test_the_mark_stays_while_the_annotation_does_and_the_pod_goes_first() -> None:
    crew = (member("a", jobs=0), member("b", by_hand="true", marked=True, jobs=0))
    assert orders(crew, desired=2, replicas=2, ending=False, shield=False).clear == set()
    shrinking = orders(crew, desired=1, replicas=2, ending=False, shield=False)
    assert (set(shrinking.victims), set(shrinking.mark)) == ({"b"}, {"b"})
