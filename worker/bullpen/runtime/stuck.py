"""Jobs whose time is up and that do not end: their slots are lost until they do, or the worker is replaced."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from bullpen.context import job_fields
from bullpen.durations import spoken

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen.runtime.execution import JobExecution

logger = logging.getLogger("bullpen.WorkerService")


class StuckJobs:
    """Those of one worker. More than `limit` that go on for `seconds` more: `replace` is called, once."""

    def __init__(self, *, limit: int, seconds: float, replace: Callable[[str], None]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._replace = replace
        self._works: set[asyncio.Future[Any]] = set()

    def __len__(self) -> int:
        return len(self._works)

    def add(self, job: JobExecution, work: asyncio.Future[Any]) -> None:
        """This job was given up, but its function goes on."""
        job.logger.error(
            "Job %s is stuck: its time is up, and its function does not stop; its slot is lost until it ends",
            *(job.job_id,),
            extra=job_fields(job),
        )
        self._works.add(work)
        work.add_done_callback(self._ended)
        asyncio.get_running_loop().call_later(self._seconds, self._look, work)

    def _ended(self, work: asyncio.Future[Any]) -> None:
        self._works.discard(work)
        if not work.cancelled():
            work.exception()  # its job was failed long ago; nobody else asks

    def _look(self, work: asyncio.Future[Any]) -> None:
        if work in self._works and len(self._works) > self._limit:
            held = len(self._works)
            self._replace(f"{held} stuck {'job' if held == 1 else 'jobs'} after {spoken(self._seconds)}")
