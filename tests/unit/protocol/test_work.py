from __future__ import annotations

from bullpen.protocol import KeepJobs, QueueKeys
from bullpen.protocol.calls.work import Finish, RateLimit, work
from bullpen.protocol.replies import Outcome, Status

KEYS = QueueKeys("bull", "videos")


def test_the_arguments_are_those_of_the_scripts_head() -> None:
    call = work(
        KEYS,
        now=1000,
        tokens=["t2", "t3"],
        lock_ms=5,
        worker="w",
        limiter=RateLimit(max=7, duration_ms=60),
        metrics=4,
        instance="i",
        finishes=[
            Finish("1", "t1", Outcome.COMPLETED, "null"),
            Finish("2", "t0", Outcome.FAILED, "boom", attempts=3, keep=KeepJobs(count=1), fields={"stacktrace": "[]"}),
        ],
    )
    head = ("bull:videos:", 1000, 5, "w", 7, 60, 4, "i", 2, "t2", "t3")
    first = ("1", "t1", "completed", "null", "", 0, 0)
    second = ("2", "t0", "failed", "boom", "1,,", 3, 2, "stacktrace", "[]")
    assert call.command == head + first + second


def test_a_claimed_job_shows_this_start_not_the_one_before() -> None:
    old = [b"name", b"render", b"ats", b"1", b"processedOn", b"5", b"pb", b"other"]
    reply = work(KEYS, now=1000, tokens=["t1"], worker="me").parse([[0, -6], [[b"9", 2, old]], 0, 0, 0, [], 0])
    assert reply.finished == (Status.OK, Status.LOCK_FOREIGN)
    [claimed] = reply.claimed
    assert (claimed.token, claimed.job.id) == ("t1", "9")
    assert (claimed.job.attempts_started, claimed.job.processed_on, claimed.job.processed_by) == (2, 1000, "me")


def test_why_nothing_was_claimed_is_told() -> None:
    call = work(KEYS, now=1000, tokens=["t1"])
    assert call.parse([[], [], 250, 0, 0, [], 0]).limited_ms == 250
    assert call.parse([[], [], 0, 2000, 0, [], 0]).due_ms == 2000
    assert call.parse([[], [], 0, 0, 1, [], 0]).blocked
