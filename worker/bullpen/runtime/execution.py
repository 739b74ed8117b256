"""What a running job sees of its attempt: `bullpen.context.Execution`, in the worker's own process."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import to_json

from bullpen.context import Answer, job_fields
from bullpen.protocol.call import as_it_came
from bullpen.protocol.calls.job import log, progress
from bullpen.runtime.endings import made_of, sayable, stored_options
from bullpen.runtime.reports import LONGEST_REPORT, Reports, cut
from bullpen.unjsonable import json_text

if TYPE_CHECKING:
    from bullpen.protocol.call import Call
    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.replies import Claimed
    from bullpen.runtime.station import Station, Stop

T = TypeVar("T")


class JobExecution:
    """One job being run. `deadline` in epoch seconds; `stop` and `timed_out` are why it should stop."""

    __slots__ = ("_reports", "_station", "deadline", "job", "saved", "stop", "timed_out", "token")

    def __init__(self, claimed: Claimed, station: Station) -> None:
        self.job = claimed.job
        self.token = claimed.token
        self.saved = claimed.job.checkpoint
        self.stop: Stop | None = None
        self.timed_out = False
        self.deadline: float | None = None
        self._station = station
        self._reports: Reports | None = None

    @property
    def job_id(self) -> str:
        return self.job.id

    @property
    def name(self) -> str:
        return self.job.name

    @property
    def queue(self) -> str:
        return self._station.keys.queue

    @property
    def keys(self) -> QueueKeys:
        return self._station.keys

    @property
    def number(self) -> int:
        return made_of(self.job) + 1

    @property
    def stopping(self) -> bool:
        return self.stop is not None or self.timed_out

    @property
    def logger(self) -> logging.Logger:
        return self._station.logger

    def report_progress(self, value: object) -> asyncio.Future[None]:
        return self.record_progress(*progress_text(value))

    def record_progress(self, text: str, shown: str) -> asyncio.Future[None]:
        """Progress as JSON, and as people read it."""
        if self.logger.isEnabledFor(logging.INFO):
            self.logger.info("Job %s progress: %s", self.job.id, shown, extra=job_fields(self))
        return self._report(progress(self._station.keys, job_id=self.job.id, value=text), "progress")

    def report_log(self, line: str) -> asyncio.Future[None]:
        keep = stored_options(self.job).keep_logs or 0
        return self._report(
            log(self._station.keys, job_id=self.job.id, row=cut(sayable(line)), keep=keep), "a log line"
        )

    def ask(self, call: Call[T]) -> Answer[T]:
        return Answer(asyncio.run_coroutine_threadsafe(self._ask(call), self._station.loop))

    async def _ask(self, call: Call[T]) -> T:
        # Parsed here: what a repetition cannot mend must not be repeated.
        return call.parse(await self.answer(call))

    async def answer(self, call: Call[Any]) -> Any:
        """What Redis replies, as it came."""
        return await self._station.delivery.insist(replace(call, parse=as_it_came))

    def _report(self, call: Any, what: str) -> asyncio.Future[None]:
        station = self._station
        if self._reports is None:
            self._reports = Reports(
                station.delivery.insist, label=f"Job {self.job.id}", logger=station.logger, loop=station.loop
            )
        return self._reports.submit(call, what, from_loop=threading.get_ident() == station.loop_thread)


def progress_text(value: object) -> tuple[str, str]:
    """Progress as the JSON that is stored, and as a log line shows it; raises TypeError for what is no JSON."""
    text = json_text(value, what="progress").decode()
    if len(text) > LONGEST_REPORT:
        text = to_json(cut(text)).decode()
    shown = f"{value}%" if isinstance(value, (int, float)) and not isinstance(value, bool) else text
    return text, shown
