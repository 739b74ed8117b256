"""Job schedulers on our side."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from bullpen.protocol.calls import schedules
from bullpen.protocol.schedule import Repeat, Template
from tests.conformance.our_options import from_node_options, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen.protocol.call import Call
    from bullpen.protocol.calls.schedules import Scheduler
    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.replies import JobRecord

T = TypeVar("T")
NAMES = {"startDate": "start", "endDate": "end"}


class OurSchedules(Protocol):
    """The part of our side that knows of schedulers."""

    keys: QueueKeys

    @abstractmethod
    async def _run(self, call: Call[T]) -> T: ...

    @property
    @abstractmethod
    def _now(self) -> int: ...

    async def _upsert_scheduler(
        self, scheduler_id: str, repeat: Mapping[str, Any], template: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        given = template or {}
        planned = await self._run(
            schedules.upsert(
                self.keys,
                scheduler_id=scheduler_id,
                repeat=Repeat(**{NAMES.get(name, name): value for name, value in repeat.items()}),
                template=Template(
                    given.get("name", scheduler_id),
                    to_json(given["data"]) if "data" in given else "{}",
                    from_node_options(given.get("opts", {})),
                ),
                now=self._now,
            )
        )
        return {"id": planned.job_id, "delay": planned.delay}

    async def _remove_scheduler(self, scheduler_id: str) -> bool:
        return await self._run(schedules.remove(self.keys, scheduler_id=scheduler_id))

    async def _scheduler(self, scheduler_id: str) -> dict[str, Any] | None:
        found = await self._run(schedules.scheduler(self.keys, scheduler_id=scheduler_id))
        return None if found is None else _view(found)

    async def _schedulers(self, start: int, end: int, asc: bool) -> dict[str, Any]:
        found = await self._run(schedules.schedulers(self.keys, start=start, end=end, ascending=asc))
        return {"count": found.count, "schedulers": [_view(each) for each in found.page]}

    async def _plan(self, job: JobRecord) -> None:
        """What a worker does first with a job it has received."""
        call = schedules.plan_next(self.keys, job=job, now=self._now)
        if call is not None:
            await self._run(call)


def _view(found: Scheduler) -> dict[str, Any]:
    """A scheduler as the Node driver shows one."""
    template = {"data": found.data, "opts": found.options}
    told = {
        "key": found.id,
        "name": found.name,
        "next": found.next,
        "every": found.every,
        "pattern": found.pattern,
        "tz": found.tz,
        "limit": found.limit,
        "startDate": found.start,
        "endDate": found.end,
        "offset": found.offset,
        "template": {key: value for key, value in template.items() if value} or None,
    }
    return {key: value for key, value in told.items() if value is not None}
