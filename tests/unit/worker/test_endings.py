from __future__ import annotations

import json

import pytest

from bullpen import Unrecoverable
from bullpen.protocol.replies import JobRecord
from bullpen.runtime.endings import Failed, Retried, after_failure, failed_reason, stored_options

ERROR = ValueError("no such script")


def job(opts: str, **fields: str) -> JobRecord:
    stored = {"name": "render", "data": "{}", "opts": opts, **fields}
    return JobRecord(id="1", fields={key.encode(): value.encode() for key, value in stored.items()})


def ending(record: JobRecord, error: BaseException = ERROR) -> Failed | Retried:
    return after_failure(record, error, code=None, random=lambda: 0.0)


@pytest.mark.parametrize(
    ("opts", "made", "expected"),
    [
        pytest.param("{}", "0", None, id="without attempts there is one"),
        pytest.param('{"attempts":0}', "0", None, id="Node's default of 0 means one"),
        pytest.param('{"attempts":3}', "0", 0, id="without backoff at once"),
        pytest.param('{"attempts":3}', "2", None, id="the last attempt is final"),
        pytest.param(
            '{"attempts":4,"backoff":{"type":"exponential","delay":1000}}', "0", 1000, id="first retry after 1 s"
        ),
        pytest.param('{"attempts":4,"backoff":{"type":"exponential","delay":1000}}', "1", 2000, id="second after 2 s"),
        pytest.param('{"attempts":4,"backoff":{"type":"exponential","delay":1000}}', "2", 4000, id="third after 4 s"),
        pytest.param('{"attempts":4,"backoff":{"type":"exponential","delay":1000}}', "3", None, id="and no fourth"),
        pytest.param('{"attempts":9,"backoff":500}', "5", 500, id="a bare number is fixed"),
        pytest.param("not json", "0", None, id="options that cannot be read give no retry"),
    ],
)
def test_stored_options_alone_decide(opts: str, made: str, expected: int | None) -> None:
    found = ending(job(opts, atm=made))
    assert found.reason == "ValueError: no such script"
    if expected is None:
        assert isinstance(found, Failed)
    else:
        assert isinstance(found, Retried)
        assert found.delay_ms == expected


def test_unrecoverable_spends_no_further_attempts() -> None:
    found = ending(job('{"attempts":9}'), Unrecoverable("the account is closed"))
    assert isinstance(found, Failed)
    assert found.reason == "the account is closed"


def test_a_backoff_of_an_unknown_strategy_ends_the_job_and_says_why() -> None:
    found = ending(job('{"attempts":9,"backoff":{"type":"mine"}}'))
    assert isinstance(found, Failed)
    assert found.reason.startswith("ValueError: no such script (not tried again: backoff type 'mine'")


@pytest.mark.parametrize(
    "backoff",
    [
        pytest.param('{"type":"exponential","delay":1e308,"jitter":0.5}', id="more than a float holds"),
        pytest.param('{"type":"exponential","delay":1000,"jitter":NaN}', id="a jitter that is no number"),
        pytest.param('{"type":"fixed","delay":1000,"jitter":"much"}', id="a jitter that is a word"),
        pytest.param('{"type":"fixed","delay":Infinity}', id="an infinite delay"),
    ],
)
def test_a_nonsensical_backoff_ends_no_more_than_its_attempt(backoff: str) -> None:
    """An error here would end the worker, for what one producer wrote."""
    found = ending(job('{"attempts":2000,"backoff":' + backoff + "}", atm="1100"))
    assert found.reason.startswith("ValueError: no such script")
    assert not isinstance(found, Retried) or 0 <= found.delay_ms <= 2**53


@pytest.mark.parametrize(
    ("limit", "kept"),
    [("", ["a", "b", "new"]), (',"stackTraceLimit":2', ["b", "new"]), (',"stackTraceLimit":0', [])],
)
def test_traces_are_appended_up_to_the_limit(limit: str, kept: list[str]) -> None:
    record = job('{"attempts":9' + limit + "}", stacktrace='["a","b"]')
    traces = json.loads(ending(record).stacktrace)
    assert [("new" if "no such script" in trace else trace) for trace in traces] == kept


def test_a_trace_begins_in_the_jobs_own_function() -> None:
    def outer() -> None:
        render()

    def render() -> None:
        raise ERROR

    try:
        outer()
    except ValueError as error:
        trace = json.loads(after_failure(job("{}"), error, code=render.__code__, random=lambda: 0).stacktrace)[0]
    assert "in render" in trace
    assert "in outer" not in trace


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("frame"), "KeyError: 'frame'"),
        (TimeoutError(), "TimeoutError"),
        (Unrecoverable(), "Unrecoverable"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_a_reason_can_be_understood_without_its_trace(error: BaseException, reason: str) -> None:
    assert failed_reason(error) == reason


def test_options_that_cannot_be_read_keep_the_job() -> None:
    assert stored_options(job("[]")).remove_on_fail is None
