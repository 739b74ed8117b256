"""What the API server's audit log says of who wrote when."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bullpen_operator.main import agent_of
from hack.stage.audit import Term, Write, out_of_term, parse, terms


def entry(**changed: Any) -> str:
    known = {
        "stage": "ResponseComplete",
        "requestURI": "/apis/apps/v1/namespaces/media/deployments/video?fieldManager=bullpen-operator",
        "verb": "patch",
        "userAgent": agent_of("a_1"),
        "objectRef": {"resource": "deployments", "namespace": "media", "name": "video"},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-11-25T02:00:00.250000Z",
        "stageTimestamp": "2026-11-25T02:00:00.500000Z",
    }
    return json.dumps(known | changed)


def bid(identity: str, at: float, *, holder: str | None = None, status: int = 200) -> Write:
    return replace(write(identity, at, status=status), what="lease", holder=identity if holder is None else holder)


def write(identity: str, at: float, *, until: float | None = None, status: int = 200) -> Write:
    answered = until if until is not None else at + 0.1
    return Write(identity=identity, what="scale", received=at, answered=answered, status=status)


def test_a_line_names_the_replica_by_the_agent_that_the_operator_sends() -> None:
    (read,) = parse([entry()])
    assert (read.identity, read.what, read.status) == ("a_1", "patch deployments/media/video", 200)
    assert read.answered - read.received == 0.25
    assert read.holder is None


def test_a_bid_tells_whom_it_makes_the_holder() -> None:
    lease = {"resource": "leases", "namespace": "media", "name": "bullpen-operator"}
    made, released = parse(
        [
            entry(objectRef=lease, requestObject={"spec": {"holderIdentity": "a_1"}}),
            entry(objectRef=lease, requestObject={"spec": {"holderIdentity": ""}}),
        ]
    )
    assert (made.holder, released.holder) == ("a_1", "")


def test_others_and_dry_runs_are_left_out() -> None:
    uri = "/apis/apps/v1/namespaces/media/deployments/video?dryRun=All"
    assert parse([entry(userAgent="kubectl/v1.34.4"), entry(requestURI=uri), entry(stage="Panic")]) == []


def test_a_term_ends_when_the_write_arrives_that_ends_it() -> None:
    writes = [bid("a", 1), bid("a", 3), bid("b", 4, status=409), bid("a", 5, holder=""), bid("b", 6)]
    assert terms(writes) == [Term("a", 1, 5), Term("", 5, 6), Term("b", 6, float("inf"))]


FIRST_THEN_SECOND = [bid("a", 1), write("a", 2), bid("b", 14), write("b", 15)]


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        pytest.param([], 0, id="each in its term"),
        pytest.param([write("a", 16)], 1, id="the first after the second took over"),
        pytest.param([write("a", 16, status=409)], 0, id="refused"),
        pytest.param([write("a", 13.9, until=14.2)], 1, id="on its way while the second took over"),
        pytest.param([write("b", 13)], 1, id="the second before it took over"),
        pytest.param([write("c", 16)], 1, id="one who never held it"),
        pytest.param([bid("a", 16, holder="b")], 1, id="a bid for another one"),
    ],
)
def test_what_is_written_out_of_term_is_found(more: list[Write], wrong: int) -> None:
    assert len(out_of_term([*FIRST_THEN_SECOND, *more])) == wrong
