from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from bullpen import Delay, Unrecoverable
from bullpen.context import Stopping
from bullpen.errors import ConnectionLost
from bullpen.runtime.carried import Carried
from bullpen.runtime.deaths import OutOfMemory, ProcessDied, TimeUp, cause_of
from bullpen.runtime.endings import failed_reason, trace_of


class Closed(Unrecoverable):
    def __init__(self) -> None:
        super().__init__("closed")
        self.never_pickled = lambda: None


class Unshowable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def carried(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:  # noqa: BLE001
        sent = Carried.of(raised)
    received: Carried = pickle.loads(pickle.dumps(sent))
    return received.error()


@pytest.mark.parametrize(
    "error",
    [
        *(ValueError("x", 3), Stopping(), Delay("5m"), Delay(datetime.now(UTC)), ConnectionLost("gone", sent=True)),
        *(OSError(2, "no such file", "/x"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")),
    ],
)
def test_an_error_arrives_as_it_was(error: BaseException) -> None:
    arrived = carried(error)
    assert (type(arrived), arrived.args, str(arrived)) == (type(error), error.args, str(error))
    assert {**vars(error)}.items() <= vars(arrived).items()
    assert trace_of(arrived, None) == trace_of(error, None)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration(1)])
def test_what_would_end_the_worker_arrives_as_a_likeness(error: BaseException) -> None:
    arrived = carried(error)
    assert isinstance(arrived, Exception)
    assert type(arrived).__name__ == type(error).__name__
    assert str(arrived) == str(error)


def test_a_likeness_stays_unrecoverable() -> None:
    arrived = carried(Closed())
    assert isinstance(arrived, Unrecoverable)
    assert failed_reason(arrived) == "closed"


def test_an_error_that_cannot_be_shown_is_told_from_afar() -> None:
    arrived = carried(Unshowable())
    assert "Unshowable" in trace_of(arrived, None)
    assert failed_reason(arrived) == "Unshowable: (no text: its __str__ raised RuntimeError)"


@pytest.mark.parametrize(
    ("error", "reason", "cause"),
    [
        (TimeUp(1200), "TimeoutError: job ran longer than its timeout of 20m", "timeout"),
        (TimeUp(5400), "TimeoutError: job ran longer than its timeout of 1h 30m", "timeout"),
        (ProcessDied(-9), "ProcessDied: the job's process was killed by SIGKILL", "signal"),
        (ProcessDied(-99), "ProcessDied: the job's process was killed by signal 99", "signal"),
        (ProcessDied(3), "ProcessDied: the job's process exited with code 3", "error"),
        (
            OutOfMemory(cap=2**29, used=2**30),
            "MemoryError: the job's process used 1 GiB, more than its cap of 512 MiB",
            "oom",
        ),
        (TimeoutError("of its own"), "TimeoutError: of its own", "error"),
    ],
)
def test_deaths_read_well(error: BaseException, reason: str, cause: str) -> None:
    assert (failed_reason(error), cause_of(error)) == (reason, cause)
