from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from bullpen import ConfigurationError, Delay, RateLimited, Requeue
from bullpen.runtime.endings import Limited, Postponed, Released, by_signal
from bullpen.signals import Signal

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("signal", "ending"),
    [
        pytest.param(Delay("5m"), Postponed(300_000), id="after a while"),
        pytest.param(Delay(0), Postponed(0), id="at once, behind what is due"),
        pytest.param(Delay(datetime.fromtimestamp(NOW + 60, UTC)), Postponed(60_000), id="at a time"),
        pytest.param(
            Delay(datetime.fromtimestamp(NOW + 60, timezone(timedelta(hours=5)))), Postponed(60_000), id="of any zone"
        ),
        pytest.param(Delay(datetime.fromtimestamp(NOW + 0.0001, UTC)), Postponed(1), id="never early"),
        pytest.param(Delay(datetime.fromtimestamp(NOW - 60, UTC)), Postponed(0), id="that is past"),
        pytest.param(RateLimited("1s"), Limited(1000), id="a rate limit"),
        pytest.param(Requeue(), Released(), id="once more"),
    ],
)
def test_what_becomes_of_the_job(signal: Signal, ending: object) -> None:
    assert by_signal(signal, now=NOW) == ending


def test_no_handler_of_errors_catches_them() -> None:
    def job() -> None:
        try:
            raise Delay("5m")
        except Exception:  # noqa: BLE001 - as jobs do around what they call
            pytest.fail("it was taken for an error")

    with pytest.raises(Delay):
        job()


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no time zone"):
        Delay(datetime(2030, 1, 1))
    for wrong in (-1, "soon", float("nan")):
        with pytest.raises(ConfigurationError, match="is no duration"):
            Delay(wrong)
    with pytest.raises(ConfigurationError, match=r"RateLimited\(0\): say how long"):
        RateLimited(0)
