"""What follows from a ledger's lines."""

from __future__ import annotations

import json

import pytest

from hack.stage.ledger import account, parse


def line(event: str, job: str, at: float, *, pod: str = "a", attempt: int = 1) -> str:
    return json.dumps({"event": event, "queue": "q", "job": job, "attempt": attempt, "pod": pod, "at": at})


@pytest.mark.parametrize(
    ("lines", "interrupted"),
    [
        pytest.param([line("start", "1", 1), line("end", "1", 2)], 0, id="a start with its end is whole"),
        pytest.param([line("start", "1", 1)], 1, id="a start without an end is interrupted"),
        pytest.param(
            [line("start", "1", 1), line("start", "1", 2, pod="b"), line("end", "1", 3, pod="b")],
            1,
            id="another pod's end does not heal a start",
        ),
        pytest.param(
            [
                line("start", "1", 1),
                line("end", "1", 2),
                line("start", "1", 3, attempt=2),
                line("end", "1", 4, attempt=2),
            ],
            0,
            id="a failed try and its retry are two whole ones",
        ),
        pytest.param(
            [line("start", "1", 1), line("start", "1", 2), line("end", "1", 3)],
            1,
            id="one end closes one of two starts of the same try",
        ),
        pytest.param(["Starting up", ""], 0, id="other output is left out"),
    ],
)
def test_interrupted(lines: list[str], interrupted: int) -> None:
    assert len(account(parse(lines)).interrupted) == interrupted


def test_the_worst_wait_counts_first_starts_of_the_jobs_asked_for() -> None:
    lines = [line("start", "1", 12), line("start", "1", 60, attempt=2), line("start", "2", 15), line("start", "9", 99)]
    assert account(parse(lines)).worst_wait({"1": 10.0, "2": 10.5, "3": 0.0}) == 4.5


def test_no_jobs_waited_for_nothing() -> None:
    assert account([]).worst_wait({}) == 0.0
