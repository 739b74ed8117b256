from __future__ import annotations

import pytest

from bullpen.errors import JobMissing, LockLost, ProtocolError
from bullpen.protocol import JobOptions, JobRecord
from bullpen.protocol.replies import Status, pairs


def test_a_new_job_has_defaults_for_everything_that_has_not_happened() -> None:
    record = JobRecord(id="1", fields={b"name": b"render", b"data": b"{}", b"opts": b'{"attempts":0}'})
    assert (record.name, record.data, record.options) == ("render", {}, JobOptions())
    assert (record.delay, record.priority, record.attempts_made, record.attempts_started) == (0, 0, 0, 0)
    assert (record.deferred_failure, record.processed_on, record.processed_by, record.finished_on) == (None,) * 4
    assert (record.return_value, record.failed_reason, record.stack_trace, record.progress) == (None, None, [], 0)
    assert not record.lost


def test_a_finished_job_shows_all_its_fields() -> None:
    fields = {
        b"name": "räder".encode(),
        b"data": '{"text":"ü"}'.encode(),
        b"opts": b'{"attempts":3,"unknown":{}}',
        b"timestamp": b"1700000000000",
        b"delay": b"5",
        b"priority": b"7",
        b"processedOn": b"1700000000001",
        b"finishedOn": b"1700000000002",
        b"pb": b"worker-1",
        b"ats": b"2",
        b"atm": b"1",
        b"stc": b"1",
        b"defa": b"job stalled more than allowable limit",
        b"returnvalue": b"[1]",
        b"failedReason": b"boom",
        b"stacktrace": b'["one","two"]',
        b"progress": b'{"percent":50}',
        b"rjk": b"nightly",
        b"parentKey": b"bull:q:9",
        b"of a newer version": b"\xff",
    }
    record = JobRecord(id="1", fields=fields)
    assert (record.name, record.data, record.data_text) == ("räder", {"text": "ü"}, '{"text":"ü"}')
    assert record.options == JobOptions(attempts=3, extra={"unknown": {}})
    assert (record.timestamp, record.delay, record.priority) == (1700000000000, 5, 7)
    assert (record.processed_on, record.finished_on, record.processed_by) == (1700000000001, 1700000000002, "worker-1")
    assert (record.attempts_started, record.attempts_made, record.stalled_count) == (2, 1, 1)
    assert record.deferred_failure == "job stalled more than allowable limit"
    assert (record.return_value, record.failed_reason, record.stack_trace) == ([1], "boom", ["one", "two"])
    assert (record.progress, record.scheduler_id, record.parent_key) == ({"percent": 50}, "nightly", "bull:q:9")


@pytest.mark.parametrize(
    ("field", "value", "attribute", "message"),
    [
        pytest.param(b"data", b"{", "data", "job 1: field data is no JSON", id="cut off data"),
        pytest.param(b"opts", b"[]", "options", "not a JSON object", id="options that are a list"),
        pytest.param(b"ats", b"many", "attempts_started", "field ats is b'many', not a number", id="words for numbers"),
        pytest.param(b"timestamp", b"inf", "timestamp", "not a number", id="infinity"),
    ],
)
def test_a_corrupt_field_names_itself(field: bytes, value: bytes, attribute: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        getattr(JobRecord(id="1", fields={field: value}), attribute)


def test_an_empty_array_that_lua_turned_into_an_object_is_empty() -> None:
    assert JobRecord(id="1", fields={b"stacktrace": b"{}"}).stack_trace == []


def test_a_hash_without_a_name_is_a_lost_job() -> None:
    assert JobRecord(id="1", fields={b"ats": b"1"}).lost


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (Status.MISSING, JobMissing, "job 7 does not exist"),
        (Status.LOCK_MISSING, LockLost, "job 7 has no lock"),
        (Status.NOT_IN_STATE, LockLost, "job 7 is not active"),
        (Status.LOCK_FOREIGN, LockLost, "job 7 is locked by another worker"),
        (Status.PENDING_CHILDREN, LockLost, "job 7 still has pending children"),
        (Status.FAILED_CHILDREN, LockLost, "job 7 has failed children"),
    ],
)
def test_a_refusal_says_why(status: Status, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        status.check("7")


def test_ok_is_no_refusal() -> None:
    Status.OK.check("7")


def test_a_flat_reply_of_odd_length_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        pairs([b"name"])
