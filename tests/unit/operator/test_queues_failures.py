"""What a server says of itself is not taken for something wrong with the queue."""

from __future__ import annotations

import pytest
from redis.exceptions import MasterDownError, ResponseError, TryAgainError

from bullpen_operator.api.reasons import Reason
from bullpen_operator.queues.failures import failed_queue
from bullpen_operator.queues.location import Location

ROWS = {
    "a script that runs too long": (ResponseError("BUSY Redis is busy running a script."), "SCRIPT KILL"),
    "a slot that moves": (TryAgainError("Multiple keys request during rehashing of slot"), "moves"),
    "a replica without its master": (MasterDownError("Link with MASTER is down"), "master is down"),
    "keys of the queue on several nodes": (
        ResponseError("ERR Script attempted to access a non local key in a cluster node"),
        "node of a cluster",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_state_of_the_server_is_no_wrong_queue(row: tuple[ResponseError, str]) -> None:
    error, words = row
    answer = failed_queue(error, Location.parse("redis://redis.media"), "bull:video:", at=0.0)
    assert answer.reason is Reason.UNREACHABLE
    assert words in answer.message


def test_anything_else_is_one() -> None:
    error = ResponseError("ERR user_script:93: attempt to compare nil with number")
    answer = failed_queue(error, Location.parse("redis://redis.media"), "bull:video:", at=0.0)
    assert answer.reason is Reason.QUEUE_UNREADABLE
