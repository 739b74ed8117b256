"""Job schedulers of one queue, for producers (protocol §8)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from bullpen.client import payload
from bullpen.protocol import JobOptions
from bullpen.protocol.arguments import check_text
from bullpen.protocol.calls import schedules
from bullpen.protocol.schedule import Repeat, Template

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen.client.connection import Link
    from bullpen.protocol import QueueKeys
    from bullpen.protocol.calls.schedules import Planned, Scheduler, Schedulers

NO_DATA: Final = object()
_PLAIN: Final = JobOptions()


class Schedules:
    """Schedulers of one queue over an open link.

    Every method raises ConnectionLost and ConfigurationError as `Link.run` does; each is one script, and may be
    repeated when its answer was lost.
    """

    def __init__(self, *, link: Link, keys: QueueKeys, clock: Callable[[], float] = time.time) -> None:
        self.keys = keys
        self._link = link
        self._clock = clock

    async def schedule(
        self,
        scheduler_id: str,
        repeat: Repeat,
        *,
        name: str | None = None,
        data: Any = NO_DATA,
        options: JobOptions = _PLAIN,
    ) -> Planned:
        """Makes a scheduler, or changes it, and adds the job of its next run; `name` is the id unless said.

        Raises ConfigurationError, before anything is written, for data that is no JSON, options out of range, times
        in which nothing would run, and when the next run's job exists and has begun already.
        """
        if name is not None:
            check_text("job name", name)
        text = "{}" if data is NO_DATA else payload.dump(data, what=f"data of schedule {scheduler_id!r}")
        template = Template(scheduler_id if name is None else name, text, options)
        now = int(self._clock() * 1000)
        call = schedules.upsert(self.keys, scheduler_id=scheduler_id, repeat=repeat, template=template, now=now)
        return await self._link.run(call)

    async def unschedule(self, scheduler_id: str) -> bool:
        """Ends a scheduler; False when there is none. A run that is ready or has begun is left alone."""
        return await self._link.run(schedules.remove(self.keys, scheduler_id=scheduler_id))

    async def scheduler(self, scheduler_id: str) -> Scheduler | None:
        """One scheduler, None when there is none of that id."""
        return await self._link.run(schedules.scheduler(self.keys, scheduler_id=scheduler_id))

    async def schedulers(self, *, start: int = 0, end: int = -1, ascending: bool = True) -> Schedulers:
        """Schedulers `start`..`end` (inclusive, negative from the end) by their next run, and how many there are."""
        return await self._link.run(schedules.schedulers(self.keys, start=start, end=end, ascending=ascending))
