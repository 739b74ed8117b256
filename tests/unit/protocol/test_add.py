from __future__ import annotations

from typing import Any

import pytest

from bullpen.errors import ConfigurationError
from bullpen.protocol import Backoff, JobOptions, QueueKeys
from bullpen.protocol.calls.add import add

KEYS = QueueKeys("bull", "videos")


def call(options: JobOptions, data: str = "{}") -> tuple[Any, ...]:
    return add(KEYS, name="render", data=data, now=1000, options=options).command


@pytest.mark.parametrize("job_id", ["012", "job-1", "a b", "ü", "-0", "1.5", "٣"])
def test_custom_ids_that_collide_with_nothing_are_accepted(job_id: str) -> None:
    assert call(JobOptions(job_id=job_id))[1] == job_id


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(JobOptions(job_id="12"), "job id '12' is a whole number", id="a whole number"),
        pytest.param(JobOptions(job_id="0"), "job id '0' is a whole number", id="zero"),
        pytest.param(JobOptions(job_id="-3"), "job id '-3' is a whole number", id="a negative number"),
        pytest.param(JobOptions(job_id="wait"), "one of the queue's own keys", id="a key of the queue"),
        pytest.param(JobOptions(job_id="0:1"), "job id '0:1' contains ':'", id="an old marker"),
        pytest.param(JobOptions(job_id="a:b"), "job id 'a:b' contains ':'", id="a colon"),
        pytest.param(JobOptions(job_id="a:b:c"), "contains ':'", id="colons outside schedulers"),
        pytest.param(JobOptions(priority=-1), "job priority is -1: give a whole number, 0 to 2097151", id="negative"),
        pytest.param(JobOptions(priority=2_097_152), "job priority is 2097152", id="beyond the highest priority"),
        pytest.param(JobOptions(priority=1.5), "job priority is 1.5", id="half a priority"),  # type: ignore[arg-type]
        pytest.param(JobOptions(priority=True), "job priority is True", id="a truth for a number"),
        pytest.param(
            JobOptions(delay=-5), "job delay is -5: give a whole number, 0 to 4503599627370496", id="negative delay"
        ),
        pytest.param(JobOptions(attempts=-1), "job attempts is -1", id="negative attempts"),
        pytest.param(JobOptions(backoff=Backoff("fixed", -1)), "backoff delay is -1", id="negative backoff"),
        pytest.param(JobOptions(backoff=Backoff("fixed", 1, jitter=2)), "jitter is 2", id="jitter above 1"),
    ],
)
def test_options_no_client_may_write_are_refused(options: JobOptions, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        call(options)


def test_the_size_limit_counts_bytes_not_characters() -> None:
    call(JobOptions(size_limit=4), data='"ü"')
    with pytest.raises(ConfigurationError, match="job data has 4 bytes, its size limit is 3"):
        call(JobOptions(size_limit=3), data='"ü"')


def test_an_empty_id_means_an_automatic_one() -> None:
    assert call(JobOptions(job_id=""))[1] == ""


def test_the_timestamp_is_now_unless_it_is_given() -> None:
    assert call(JobOptions())[5] == 1000
    assert call(JobOptions(timestamp=7))[5] == 7
