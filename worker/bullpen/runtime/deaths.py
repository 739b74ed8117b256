"""How an attempt is ended from outside its function, and what any error means as a cause of death."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, ClassVar, Final

from bullpen.durations import spoken
from bullpen.protocol.causes import Cause
from bullpen.sizes import spoken_size

if TYPE_CHECKING:
    import asyncio
    from typing import Any

# An error that comes from a child process brings its stack trace as text.
_TRACE: Final = "__bullpen_trace__"


class Died(Exception):
    """The attempt was ended; `cause` goes into the job's record, `shown_as` into its reason."""

    cause: Cause
    shown_as: ClassVar[str]


class TimeUp(Died, TimeoutError):
    """The job ran longer than its timeout; `left_behind` is what of it could not be ended."""

    cause = Cause.TIMEOUT
    shown_as = "TimeoutError"

    def __init__(self, limit: float, *, left_behind: asyncio.Future[Any] | None = None) -> None:
        told = spoken(limit).removesuffix(" 00s").removesuffix(" 00m")
        super().__init__(f"job ran longer than its timeout of {told}")
        self.left_behind = left_behind


class OutOfMemory(Died, MemoryError):
    """The job's process had more memory than it may."""

    cause = Cause.OOM
    shown_as = "MemoryError"

    def __init__(self, *, cap: int, used: int) -> None:
        super().__init__(f"the job's process used {spoken_size(used)}, more than its cap of {spoken_size(cap)}")


class ProcessDied(Died):
    """The job's process ended before the job did; `code` as `subprocess` has it: negative for a signal.

    `oom`: the kernel killed it, because the container had no memory left.
    """

    shown_as = "ProcessDied"

    def __init__(self, code: int, *, oom: bool = False) -> None:
        self.cause = Cause.OOM if oom else Cause.SIGNAL if code < 0 else Cause.ERROR
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"exited with code {code}"
        why = ": the container has no memory left" if oom else ""
        super().__init__(f"the job's process {how}{why}")


def cause_of(error: BaseException) -> Cause:
    """What an attempt died of that ended by this error."""
    if isinstance(error, Died):
        return error.cause
    return Cause.OOM if isinstance(error, MemoryError) else Cause.ERROR


def with_trace(error: BaseException, trace: str) -> BaseException:
    """The error with a stack trace that was written where it happened."""
    setattr(error, _TRACE, trace)
    return error


def written_trace(error: BaseException) -> str | None:
    """The stack trace that an error brought along, None when its own frames are here."""
    trace = getattr(error, _TRACE, None)
    return trace if isinstance(trace, str) else None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
