from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bullpen.errors import ConfigurationError, JobMissing, WrongState
from bullpen.protocol import Call, JobState, QueueKeys
from bullpen.protocol.calls import change, look, upkeep
from bullpen.protocol.numbers import check_whole
from bullpen.protocol.replies import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = QueueKeys("bull", "videos")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        pytest.param(lambda: upkeep.set_concurrency(KEYS, concurrency=0), "concurrency is 0: give a", id="concurrency"),
        pytest.param(lambda: upkeep.set_concurrency(KEYS, concurrency=True), "concurrency is True", id="a truth"),
        pytest.param(
            lambda: upkeep.set_rate_limit(KEYS, starts=0, duration_ms=1), "rate limit is 0: give", id="no starts"
        ),
        pytest.param(
            lambda: upkeep.set_rate_limit(KEYS, starts=1, duration_ms=0),
            "duration of the rate limit is 0",
            id="no time",
        ),
        pytest.param(lambda: upkeep.hold_back(KEYS, duration_ms=0), "duration of the rate limit is 0", id="no pause"),
        pytest.param(lambda: upkeep.clean(KEYS, place="wait", now=1, grace_ms=-1), "grace is -1", id="negative grace"),
        pytest.param(lambda: upkeep.clean(KEYS, place="wait", now=1, limit=-1), "limit is -1", id="negative limit"),
        pytest.param(lambda: upkeep.clean(KEYS, place="wait", now=1, room=0), "room is 0", id="no room in clean"),
        pytest.param(lambda: upkeep.drain(KEYS, room=0), "room is 0: give a whole number, 1 or", id="no room in drain"),
        pytest.param(lambda: upkeep.obliterate(KEYS, room=-5), "room is -5", id="no room in obliterate"),
        pytest.param(lambda: upkeep.restart(KEYS, place="failed", now=1, room=0), "room is 0", id="no room in retry"),
        pytest.param(lambda: change.change_delay(KEYS, job_id="1", now=1, delay_ms=-1), "delay is -1", id="delay"),
        pytest.param(
            lambda: change.change_priority(KEYS, job_id="1", priority=2_097_152),
            "priority is 2097152: give a whole number, 0 to 2097151",
            id="beyond the highest priority",
        ),
        pytest.param(lambda: change.clear_logs(KEYS, job_id="1", keep=-1), "rows to keep is -1", id="negative rows"),
        pytest.param(lambda: look.page(KEYS, state=JobState.UNKNOWN), "listed as unknown", id="unknown jobs"),
        pytest.param(lambda: look.page(KEYS, state=JobState.FAILED, start=-1), "start is -1", id="negative start"),
        pytest.param(lambda: look.page(KEYS, state=JobState.FAILED, end=-2), "end is -2", id="before the end"),
        pytest.param(lambda: look.counts_per_priority(KEYS, priorities=[-1]), "priority is -1", id="negative priority"),
        pytest.param(lambda: look.rate_limit_ttl(KEYS, starts=-1), "rate limit is -1", id="negative starts"),
    ],
)
def test_numbers_out_of_range_are_refused(build: Callable[[], Call[Any]], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build()


@pytest.mark.parametrize("value", [1.0, float("nan"), "1", None, -1, 8])
def test_what_is_no_whole_number_of_the_range(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"width is .*: give a whole number, 0 to 7"):
        check_whole("width", value, highest=7)


@pytest.mark.parametrize(
    ("call", "code", "error", "message"),
    [
        (change.promote(KEYS, job_id="3"), -3, WrongState, "job 3 is not delayed"),
        (change.promote(KEYS, job_id="3"), -1, JobMissing, "job 3 does not exist"),
        (change.reprocess(KEYS, job_id="3", outcome=Outcome.FAILED), -3, WrongState, "job 3 is not failed"),
        (change.remove(KEYS, job_id="3"), -8, WrongState, "job 3 is the next run of a scheduler"),
        (change.leave_parent(KEYS, job_id="3"), -5, JobMissing, "the parent of job 3"),
        (upkeep.obliterate(KEYS), -1, WrongState, "the queue is not paused"),
        (upkeep.obliterate(KEYS), -2, WrongState, "the queue has active jobs"),
    ],
)
def test_codes_become_errors(call: Call[Any], code: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call.parse(code)


def test_replies_are_read() -> None:
    assert change.remove(KEYS, job_id="3").parse(0) is False
    assert change.remove(KEYS, job_id="3").parse(1) is True
    assert upkeep.clean(KEYS, place="wait", now=1).parse([[b"1", b"2"], 5, 1]) == upkeep.Cleaned(("1", "2"), 5, True)
    assert look.settings(KEYS).parse([b"1", None, b"5", b"1000"]) == look.QueueSettings(True, None, 5, 1000)
    assert look.counts_per_priority(KEYS, priorities=[3, 0, 3]).parse([7, 8]) == {3: 7, 0: 8}
