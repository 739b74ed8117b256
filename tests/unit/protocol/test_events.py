from __future__ import annotations

import pytest

from bullpen.errors import ProtocolError
from bullpen.protocol import QueueKeys, events
from bullpen.protocol.calls import marker

KEYS = QueueKeys("bull", "videos")


def test_entries_become_events_in_order() -> None:
    reply = [
        [
            b"bull:videos:events",
            [
                [b"1700000000000-0", [b"event", b"added", b"jobId", b"1", b"name", b"render"]],
                [b"1700000000000-1", [b"event", b"drained"]],
            ],
        ]
    ]
    added, drained = events.read(KEYS, after=events.START).parse(reply)
    assert (added.kind, added.job_id, added.fields["name"], added.at_ms) == ("added", "1", "render", 1700000000000)
    assert (drained.kind, drained.job_id, drained.id) == ("drained", None, "1700000000000-1")


def test_no_entries_are_no_events() -> None:
    assert events.read(KEYS, after="5-0").parse(None) == ()


def test_the_last_event_of_no_stream_is_the_start() -> None:
    assert events.last(KEYS).parse([]) == events.START
    assert events.last(KEYS).parse([[b"5-1", [b"event", b"drained"]]]) == "5-1"


def test_payloads_of_progress_and_completed_are_json() -> None:
    assert events.Event(id="1-0", kind="progress", fields={"data": '{"a":1}'}).value() == {"a": 1}
    assert events.Event(id="1-0", kind="completed", fields={"returnvalue": "null"}).value() is None
    with pytest.raises(ProtocolError, match=r"event 1-0 \(completed\) carries no JSON"):
        events.Event(id="1-0", kind="completed", fields={"returnvalue": "?"}).value()


def test_fields_that_mean_something_of_their_own() -> None:
    delayed = events.Event(id="1-0", kind="delayed", fields={"jobId": "1", "delay": "1700000005000"})
    failed = events.Event(id="1-0", kind="failed", fields={"jobId": "1", "failedReason": "boom"})
    assert (delayed.due_ms, delayed.failed_reason) == (1_700_000_005_000, None)
    assert (failed.due_ms, failed.failed_reason) == (None, "boom")
    for wrong in ("soon", "inf"):
        with pytest.raises(ProtocolError, match=r"event 1-0 \(delayed\): delay is"):
            _ = events.Event(id="1-0", kind="delayed", fields={"delay": wrong}).due_ms


def test_reading_blocks_only_when_asked_to() -> None:
    assert "BLOCK" not in events.read(KEYS, after="$").command
    assert events.read(KEYS, after="$", block_ms=0).command[3:5] == ("BLOCK", 1)  # 0 would be for ever


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        pytest.param(None, None, id="time is up"),
        pytest.param([b"m", b"0", b"0"], 0, id="work is there"),
        pytest.param([b"m", b"1", b"1700000000000.25"], 1700000000000, id="work is due then"),
    ],
)
def test_a_marker_says_when_to_fetch(reply: list[bytes] | None, meaning: int | None) -> None:
    assert marker.wait(KEYS, seconds=5).parse(reply) == meaning


def test_the_marker_is_never_waited_for_for_ever() -> None:
    assert marker.wait(KEYS, seconds=0).command == ("BZPOPMIN", "bull:videos:marker", "0.001")
    assert marker.wait(KEYS, seconds=5).command[2] == "5.000"
