from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen.errors import ConfigurationError, ProtocolError
from bullpen.protocol import Backoff, Deduplication, JobOptions, KeepJobs

counts = st.integers(min_value=0, max_value=10**9)
keeps = st.one_of(
    st.none(),
    st.builds(KeepJobs, count=st.none() | counts, age=st.none() | counts, limit=st.none() | counts),
)
backoffs = st.builds(
    Backoff,
    type=st.sampled_from(["fixed", "exponential", "mine"]),
    delay=counts,
    jitter=st.none() | st.floats(min_value=0, max_value=1),
)
deduplications = st.builds(
    Deduplication,
    id=st.text(min_size=1),
    ttl=st.none() | counts,
    extend=st.booleans(),
    replace=st.booleans(),
    keep_last=st.booleans(),
    reschedule=st.booleans(),
    extra=st.dictionaries(st.just("future"), st.booleans() | counts),
)
options = st.builds(
    JobOptions,
    attempts=counts,
    backoff=st.none() | backoffs,
    delay=counts,
    priority=st.integers(min_value=0, max_value=2_097_151),
    lifo=st.booleans(),
    job_id=st.none() | st.text(min_size=1),
    timestamp=st.none() | counts,
    remove_on_complete=keeps,
    remove_on_fail=keeps,
    stack_trace_limit=st.none() | counts,
    keep_logs=st.none() | counts,
    size_limit=st.none() | counts,
    deduplication=st.none() | deduplications,
    extra=st.dictionaries(st.sampled_from(["fpof", "tm", "future"]), st.booleans() | st.text() | counts),
)


@given(options)
def test_options_survive_a_round_trip(original: JobOptions) -> None:
    assert JobOptions.parse(original.dump()) == original


def test_an_add_without_options_stores_what_node_stores() -> None:
    assert json.loads(JobOptions().dump()) == {"attempts": 0}


@pytest.mark.parametrize(
    ("given_options", "stored"),
    [
        pytest.param(JobOptions(keep_logs=5), {"kl": 5}, id="keepLogs is kl"),
        pytest.param(JobOptions(job_id="a"), {"jobId": "a"}, id="jobId is verbatim"),
        pytest.param(JobOptions(stack_trace_limit=1), {"stackTraceLimit": 1}, id="stackTraceLimit is verbatim"),
        pytest.param(JobOptions(remove_on_complete=KeepJobs(count=0)), {"removeOnComplete": True}, id="keep none"),
        pytest.param(JobOptions(remove_on_complete=KeepJobs()), {"removeOnComplete": False}, id="keep all"),
        pytest.param(JobOptions(remove_on_fail=KeepJobs(count=9)), {"removeOnFail": 9}, id="keep some"),
        pytest.param(JobOptions(remove_on_fail=KeepJobs(age=60)), {"removeOnFail": {"age": 60}}, id="keep for a while"),
        pytest.param(
            JobOptions(backoff=Backoff("fixed", 100)), {"backoff": {"type": "fixed", "delay": 100}}, id="backoff"
        ),
        pytest.param(JobOptions(extra={"de": {"id": "x"}}), {"de": {"id": "x"}}, id="unknown keys stay"),
    ],
)
def test_options_are_stored_under_their_wire_names(given_options: JobOptions, stored: dict[str, Any]) -> None:
    assert json.loads(given_options.dump()) == {"attempts": 0} | stored


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param("{}", JobOptions(), id="nothing"),
        pytest.param('{"backoff":250}', JobOptions(backoff=Backoff("fixed", 250)), id="a bare number is fixed"),
        pytest.param('{"attempts":null}', JobOptions(), id="null is absent"),
        pytest.param('{"removeOnFail":true}', JobOptions(remove_on_fail=KeepJobs(count=0)), id="true keeps none"),
        pytest.param('{"removeOnFail":5.0}', JobOptions(remove_on_fail=KeepJobs(count=5)), id="numbers of Lua"),
        pytest.param('{"delay":12.0,"priority":3}', JobOptions(delay=12, priority=3), id="placement"),
    ],
)
def test_what_node_stores_is_understood(stored: str, expected: JobOptions) -> None:
    assert JobOptions.parse(stored) == expected


@pytest.mark.parametrize("stored", ["", "[]", "nope", '{"backoff":"x"}', '{"removeOnFail":"x"}', '{"attempts":"x"}'])
def test_options_that_make_no_sense_are_a_protocol_error(stored: str) -> None:
    with pytest.raises(ProtocolError):
        JobOptions.parse(stored)


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        pytest.param(Backoff("fixed", 1000), [1000, 1000, 1000], id="fixed stays"),
        pytest.param(Backoff("exponential", 1000), [1000, 2000, 4000], id="exponential doubles"),
        pytest.param(Backoff("exponential", 20), [20, 40, 80], id="exponential of the checklist"),
        pytest.param(Backoff("fixed", 0), [0, 0, 0], id="zero is an immediate retry"),
    ],
)
def test_backoff_without_jitter(backoff: Backoff, delays: list[int]) -> None:
    assert [backoff.milliseconds(failures, lambda: 0.999) for failures in (1, 2, 3)] == delays


@given(
    backoff=st.builds(
        Backoff,
        type=st.sampled_from(["fixed", "exponential"]),
        delay=st.integers(min_value=2, max_value=10**7),
        jitter=st.floats(min_value=0.01, max_value=1),
    ),
    failures=st.integers(min_value=1, max_value=20),
    draw=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_jitter_only_shortens_and_by_its_share_at_most(backoff: Backoff, failures: int, draw: float) -> None:
    mean = Backoff(backoff.type, backoff.delay).milliseconds(failures, lambda: 0.0)
    delay = backoff.milliseconds(failures, lambda: draw)
    assert backoff.jitter is not None
    assert int(mean * (1 - backoff.jitter)) <= delay <= mean


def test_a_custom_backoff_needs_the_worker() -> None:
    with pytest.raises(ConfigurationError, match="backoff type 'mine' is unknown"):
        Backoff("mine").milliseconds(1, lambda: 0.0)


@pytest.mark.parametrize(
    ("keep", "argument"),
    [
        pytest.param(KeepJobs(), "", id="all"),
        pytest.param(KeepJobs(limit=5), "", id="a limit alone limits nothing"),
        pytest.param(KeepJobs(count=0), "0,,", id="none"),
        pytest.param(KeepJobs(count=2), "2,,", id="the newest two"),
        pytest.param(KeepJobs(age=1.5), ",1.5,", id="by age"),
        pytest.param(KeepJobs(count=1, age=2, limit=3), "1,2,3", id="everything"),
    ],
)
def test_keep_jobs_as_a_script_argument(keep: KeepJobs, argument: str) -> None:
    assert keep.argument == argument
