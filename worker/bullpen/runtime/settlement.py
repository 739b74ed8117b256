"""What an ending means for the job: the finish to send, and, once Redis has answered, the log line and the counts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bullpen.context import job_fields
from bullpen.durations import spoken
from bullpen.errors import Unrecoverable
from bullpen.protocol.calls.work import Finish
from bullpen.protocol.causes import FIELD
from bullpen.protocol.options import JobOptions, KeepJobs
from bullpen.protocol.replies import Outcome as Decided
from bullpen.protocol.replies import Status
from bullpen.runtime.endings import (
    Completed,
    Ending,
    Failed,
    Limited,
    Lost,
    Postponed,
    Released,
    Retried,
    Waiting,
    stored_options,
)
from bullpen.runtime.tally import Outcome

if TYPE_CHECKING:
    from bullpen.runtime.attempt import Attempt
    from bullpen.runtime.notices import Notices

_KEEP_ALL = KeepJobs()
_OUTCOMES: dict[type, Outcome] = {
    Completed: Outcome.COMPLETED,
    Failed: Outcome.FAILED,
    Retried: Outcome.RETRIED,
    Released: Outcome.RELEASED,
    Postponed: Outcome.RELEASED,
    Limited: Outcome.RELEASED,
    Waiting: Outcome.RELEASED,
    Lost: Outcome.LOST,
}


@dataclass(slots=True)
class Decision:
    """A finish on its way to Redis. `doubtful`: it was sent before, and whether it arrived is unknown."""

    attempt: Attempt
    ending: Completed | Failed
    finish: Finish
    doubtful: bool = False


def decide(attempt: Attempt, ending: Completed | Failed, notices: Notices) -> Decision:
    """The finish that records this ending (protocol §4), with what is added for those who want to know."""
    options = stored_options(attempt.job)
    told = notices.of(attempt.job, options, ending)
    if isinstance(ending, Completed):
        finish = Finish(
            attempt.job.id,
            attempt.token,
            Decided.COMPLETED,
            ending.value,
            options.attempts,
            _kept(options, True),
            additions=told,
        )
    else:
        finish = Finish(
            attempt.job.id,
            attempt.token,
            Decided.FAILED,
            ending.reason,
            options.attempts,
            _kept(options, False),
            {"stacktrace": ending.stacktrace, FIELD: ending.cause},
            told,
        )
    return Decision(attempt, ending, finish)


def _kept(options: JobOptions, completed: bool) -> KeepJobs:
    return (options.remove_on_complete if completed else options.remove_on_fail) or _KEEP_ALL


def refusal(status: Status) -> Exception | None:
    """Why a job that came back is failed after all: its children decide (protocol §4.2). None for other statuses."""
    if status is Status.FAILED_CHILDREN:
        return Unrecoverable("a child of this job failed, so it cannot complete")
    if status is Status.PENDING_CHILDREN:
        return RuntimeError("the job returned while children of it are still pending")
    return None


def settle(attempt: Attempt, ending: Ending, logger: logging.Logger) -> None:
    """The ending is final: count it, and say it."""
    attempt.tally.count(_OUTCOMES[type(ending)], seconds=attempt.seconds)
    _say(attempt, ending, logger)


def settle_status(decision: Decision, status: Status, logger: logging.Logger) -> None:
    """Redis' answer to a finish."""
    attempt, ending = decision.attempt, decision.ending
    if status is Status.OK:
        settle(attempt, ending, logger)
    elif decision.doubtful:
        logger.info(
            "Job %s: the connection was lost while its end was recorded, which had succeeded or became another's",
            attempt.job.id,
            extra=job_fields(attempt),
        )
        attempt.tally.count(_OUTCOMES[type(ending)], seconds=attempt.seconds)
    else:
        settle(attempt, Lost(), logger)


def _say(attempt: Attempt, ending: Ending, logger: logging.Logger) -> None:
    level = _LEVELS[type(ending)]
    if not logger.isEnabledFor(level):
        return
    job_id, took = attempt.job.id, spoken(attempt.seconds)
    extra = job_fields(attempt)
    if attempt.span is not None:
        extra.update(attempt.span.ids)
    match ending:
        case Completed():
            logger.log(level, "Job %s completed (%s)", job_id, took, extra=extra)
        case Failed():
            logger.log(level, "Job %s failed (%s): %s", job_id, took, ending.reason, extra=extra)
        case Retried():
            attempts = stored_options(attempt.job).attempts
            again = f"again in {spoken(ending.delay_ms / 1000)}" if ending.delay_ms else "again at once"
            logger.log(
                level,
                "Job %s failed (%s), attempt %d of %d, %s: %s",
                *(job_id, took, attempt.number, attempts, again, ending.reason),
                extra=extra,
            )
        case Released():
            logger.log(level, "Job %s handed back (%s), no attempt counted", job_id, took, extra=extra)
        case Postponed():
            later = f"again in {spoken(ending.delay_ms / 1000)}" if ending.delay_ms else "again at once"
            logger.log(level, "Job %s put off (%s), %s, no attempt counted", job_id, took, later, extra=extra)
        case Limited():
            pause = spoken(ending.limit_ms / 1000)
            logger.log(
                level, "Job %s handed back (%s), no job is started for %s: rate limit", job_id, took, pause, extra=extra
            )
        case Waiting():
            logger.log(level, "Job %s waits for its children (%s), no attempt counted", job_id, took, extra=extra)
        case Lost():
            logger.log(
                level, "Job %s is no longer this worker's: its result is refused (%s)", job_id, took, extra=extra
            )


_LEVELS: dict[type, int] = {
    Completed: logging.INFO,
    Failed: logging.ERROR,
    Retried: logging.WARNING,
    Released: logging.INFO,
    Postponed: logging.INFO,
    Limited: logging.WARNING,
    Waiting: logging.INFO,
    Lost: logging.WARNING,
}
