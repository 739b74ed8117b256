"""How one attempt at a job ends, and what becomes of the job after a failure. Pure."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from bullpen.errors import BullpenError, ProtocolError, Unrecoverable
from bullpen.protocol.causes import Cause
from bullpen.protocol.options import JobOptions
from bullpen.runtime.deaths import Died, cause_of, written_trace
from bullpen.runtime.rules import PLAIN, NoBackoff, Rules
from bullpen.signals import Delay, RateLimited, Signal, WaitForChildren

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from bullpen.protocol.replies import JobRecord

# A job that nobody here knows is looked at again after so long, and then half as often each time: ten thousand of them
# are 33 claims a second in the end.
UNKNOWN_FIRST_SECONDS = 1.0
UNKNOWN_LONGEST_SECONDS = 300.0
# A trace is for people; Redis keeps one for each failed attempt of each job.
LONGEST_TRACE = 16_384
# What the stalled check, ours and Node's, leaves in `defa` (protocol §6.2).
STALLED = "job stalled more than allowable limit"


@dataclass(frozen=True, slots=True)
class Completed:
    """The job is done; `value` is JSON text."""

    value: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The job failed and is not tried again."""

    reason: str
    stacktrace: str
    cause: Cause = Cause.ERROR


@dataclass(frozen=True, slots=True)
class Retried:
    """The job failed and is tried again in `delay_ms` (0: as soon as its turn comes)."""

    reason: str
    stacktrace: str
    delay_ms: int
    cause: Cause = Cause.ERROR


@dataclass(frozen=True, slots=True)
class Released:
    """The job gives itself back unfinished, because it was told to stop."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The lock was lost while the job ran: its outcome is somebody else's."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """The job wants to run again in `delay_ms`, no attempt counted.

    `left` is how often, this time included, it was left to workers that know its name; 0 = it has run. A job that was
    left is as if this worker had never claimed it: its start is not counted either.
    """

    delay_ms: int
    left: int = 0


@dataclass(frozen=True, slots=True)
class Limited:
    """The job gives itself back, and wants no job of the queue to be started for `limit_ms`."""

    limit_ms: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The job wants to run again when its children have ended, no attempt counted."""


class LeftAlone(Delay):
    """No function here handles the job; `times` counts this time."""

    def __init__(self, seconds: float, *, times: int) -> None:
        super().__init__(seconds)
        self.times = times


Ending: TypeAlias = Completed | Failed | Retried | Released | Postponed | Limited | Waiting | Lost


def unstartable(job: JobRecord, rules: Rules) -> str | None:
    """Why the job has to be failed without running it; None when it may run (protocol §5.1)."""
    if job.lost:
        return "the job's record is gone from Redis: it was removed while it waited"
    if (deferred := job.deferred_failure) is not None:
        return deferred
    if rules.max_started is not None and started_of(job) > rules.max_started:
        return "job started more than allowable limit"
    return None


def by_signal(signal: Signal, *, now: float) -> Released | Postponed | Limited | Waiting:
    """What becomes of a job that raised it (protocol §5.4); `now` in epoch seconds."""
    match signal:
        case LeftAlone(times=times):
            return Postponed(signal.delay_ms(now), left=times)
        case Delay():
            return Postponed(signal.delay_ms(now))
        case RateLimited(limit_ms=limit):
            return Limited(limit)
        case WaitForChildren():
            return Waiting()
        case _:
            return Released()


def unknown_pause_seconds(times: int, random: Callable[[], float]) -> float:
    """How long a job is left that no function handles, the so-manieth time; with jitter, 1 s to 5 minutes."""
    longest = min(UNKNOWN_FIRST_SECONDS * 2.0 ** min(max(times - 1, 0), 30), UNKNOWN_LONGEST_SECONDS)
    return max(UNKNOWN_FIRST_SECONDS, longest * (1 - random() / 4))


def after_failure(
    job: JobRecord,
    error: BaseException,
    *,
    code: CodeType | None,
    random: Callable[[], float],
    rules: Rules = PLAIN,
) -> Failed | Retried:
    """Decide by the job's stored options and the rules of its queue (protocol §5.1).

    `code` is where its stack trace begins for a reader.
    """
    reason = failed_reason(error)
    options = stored_options(job)
    cause = Cause.LOST if job.deferred_failure == STALLED else cause_of(error)
    stacktrace = extended_trace(job, trace_of(error, code), limit=options.stack_trace_limit)
    failures = made_of(job) + 1
    if isinstance(error, Unrecoverable) or failures >= options.attempts:
        return Failed(reason, stacktrace, cause)
    if rules.max_started is not None and started_of(job) >= rules.max_started:
        return Failed(reason, stacktrace, cause)
    try:
        pause_ms = rules.pause_ms(options.backoff, failures, error, job, random)
    except NoBackoff as why:
        return Failed(sayable(f"{reason} (not tried again: {why})"), stacktrace, cause)
    return Failed(reason, stacktrace, cause) if pause_ms is None else Retried(reason, stacktrace, pause_ms, cause)


def failed_reason(error: BaseException) -> str:
    """One line for `failedReason`: our own errors speak for themselves, others need their class to be understood."""
    text = sayable(text_of(error))
    if isinstance(error, BullpenError) and text:
        return text
    name = error.shown_as if isinstance(error, Died) else type(error).__name__
    return f"{name}: {text}" if text else name


def text_of(error: BaseException) -> str:
    """What the error says, or why it says nothing: its class is the job's own code, and may fail in turn."""
    try:
        return str(error)
    except Exception as fault:  # noqa: BLE001 - whatever it is, the job must end
        return f"(no text: its __str__ raised {type(fault).__name__})"


def sayable(text: str) -> str:
    """The text with whatever UTF-8 cannot say escaped: file names may hold any bytes, and so does what names them."""
    return text.encode(errors="backslashreplace").decode()


def stored_options(job: JobRecord) -> JobOptions:
    """The job's options; defaults (no retry, keep all) when they cannot be read, so that the job can still end."""
    try:
        return job.options
    except ProtocolError:
        return JobOptions()


def made_of(job: JobRecord) -> int:
    """Attempts made so far; 0 when that cannot be read, as our scripts take it."""
    try:
        return job.attempts_made
    except ProtocolError:
        return 0


def started_of(job: JobRecord) -> int:
    """How often the job was started, this time included; 0 when that cannot be read."""
    try:
        return job.attempts_started
    except ProtocolError:
        return 0


def left_of(job: JobRecord) -> int:
    """How often the job was left to workers that know its name; 0 when that cannot be read."""
    try:
        return job.left
    except ProtocolError:
        return 0


def trace_of(error: BaseException, code: CodeType | None) -> str:
    """The stack trace from the job's own function on, without the worker's frames around it."""
    if (written := written_trace(error)) is not None:
        return shortened(written)
    start = error.__traceback__
    while start is not None and start.tb_frame.f_code is not code:
        start = start.tb_next
    return shortened("".join(traceback.format_exception(type(error), error, start or error.__traceback__)))


def shortened(trace: str) -> str:
    """The end of a trace that is too long, which says most."""
    return trace if len(trace) <= LONGEST_TRACE else f"… {trace[-LONGEST_TRACE:]}"


def extended_trace(job: JobRecord, trace: str, *, limit: int | None) -> str:
    """The JSON array to store: the traces of earlier attempts and this one, the newest `limit` of them (None: all)."""
    try:
        traces = job.stack_trace
    except ProtocolError:
        traces = []
    traces.append(trace)
    if limit is not None:
        traces = traces[-limit:] if limit > 0 else []
    # In JSON, half a surrogate pair is its own escape: nothing is lost.
    return sayable(json.dumps(traces, ensure_ascii=False))
