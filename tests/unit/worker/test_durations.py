from __future__ import annotations

import pytest

from bullpen import ConfigurationError, Retry
from bullpen.durations import milliseconds, seconds, spoken


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(5, 5.0, id="a number is seconds"),
        pytest.param(0.25, 0.25, id="fractions of a second"),
        pytest.param("5s", 5.0, id="seconds"),
        pytest.param("250ms", 0.25, id="milliseconds"),
        pytest.param("1m", 60.0, id="minutes"),
        pytest.param("1h30m", 5400.0, id="parts are added up"),
        pytest.param(" 2d ", 172_800.0, id="space around it is no matter"),
        pytest.param("30", 30.0, id="a number as text, as environments give it"),
    ],
)
def test_a_duration_is_read(written: str | float, expected: float) -> None:
    assert seconds(written, of="delay") == expected


@pytest.mark.parametrize(
    "written", ["soon", "5 minutes", "-5", -1, float("nan"), float("inf"), "inf", "", True, None, []]
)
def test_what_is_no_duration_is_refused_by_name(written: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^delay: .*is no duration"):
        seconds(written, of="delay")  # type: ignore[arg-type]


def test_milliseconds_are_whole() -> None:
    assert milliseconds("1.2345s", of="delay") == 1234


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0.0001, "<1ms"),
        (0.0124, "12ms"),
        (0.9994, "999ms"),
        (1.0, "1s"),
        (4.24, "4.2s"),
        (45.2, "45s"),
        (60, "1m 00s"),
        (125, "2m 05s"),
        (3725, "1h 02m"),
    ],
)
def test_a_measured_time_reads_well(duration: float, text: str) -> None:
    assert spoken(duration) == text


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"attempts": 0}, "attempts=0"),
        ({"attempts": 1.5}, "attempts=1.5"),
        ({"attempts": True}, "attempts=True"),
        ({"backoff": ""}, "backoff=''"),
        ({"jitter": 1.1}, "jitter=1.1"),
        ({"delay": "later"}, "'later'"),
    ],
)
def test_a_retry_that_cannot_work_is_refused(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Retry(**wrong)  # type: ignore[arg-type]
