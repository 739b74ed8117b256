"""What our side does with operations on jobs and queues from outside (protocol §7)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from bullpen.protocol.calls import change, look, read, upkeep
from bullpen.protocol.replies import JobState, Outcome
from tests.conformance.sides import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen.protocol.call import Call
    from bullpen.protocol.keys import QueueKeys

T = TypeVar("T")


class UpkeepOperations(ABC):
    """A part of `OurSide`, which says how a call is run and what time it is."""

    keys: QueueKeys

    @property
    @abstractmethod
    def _now(self) -> int: ...

    @abstractmethod
    async def _run(self, call: Call[T]) -> T: ...

    # Operations on jobs and queues

    async def _promote(self, job_id: str) -> None:
        await self._run(change.promote(self.keys, job_id=job_id))

    async def _change_delay(self, job_id: str, delay: int) -> None:
        await self._run(change.change_delay(self.keys, job_id=job_id, now=self._now, delay_ms=delay))

    async def _change_priority(self, job_id: str, priority: int, lifo: bool = False) -> None:
        await self._run(change.change_priority(self.keys, job_id=job_id, priority=priority, lifo=lifo))

    async def _retry(self, job_id: str, state: str, options: Mapping[str, bool] | None = None) -> None:
        record = await self._run(read.job(self.keys, job_id=job_id))
        if record is None:
            raise Refused(f"Redis does not know job {job_id}")
        given = options or {}
        await self._run(
            change.reprocess(
                self.keys,
                job_id=job_id,
                outcome=Outcome(state),
                lifo=record.options.lifo,
                reset_attempts_made=given.get("resetAttemptsMade", False),
                reset_attempts_started=given.get("resetAttemptsStarted", False),
            )
        )

    async def _remove(self, job_id: str, children: bool = True) -> int:
        removed = await self._run(change.remove(self.keys, job_id=job_id, children=children))
        return 1 if removed else 0

    async def _remove_unprocessed(self, job_id: str) -> None:
        await self._run(change.remove_unprocessed(self.keys, job_id=job_id))

    async def _leave_parent(self, job_id: str) -> bool:
        return await self._run(change.leave_parent(self.keys, job_id=job_id))

    async def _clear_logs(self, job_id: str, keep: int = 0) -> None:
        await self._run(change.clear_logs(self.keys, job_id=job_id, keep=keep))

    async def _pause(self) -> None:
        await self._run(upkeep.pause(self.keys))

    async def _resume(self) -> None:
        await self._run(upkeep.resume(self.keys))

    async def _set_concurrency(self, concurrency: int) -> None:
        await self._run(upkeep.set_concurrency(self.keys, concurrency=concurrency))

    async def _remove_concurrency(self) -> None:
        await self._run(upkeep.remove_concurrency(self.keys))

    async def _set_rate_limit(self, max: int, duration: int) -> None:  # noqa: A002 - as the driver calls it
        await self._run(upkeep.set_rate_limit(self.keys, starts=max, duration_ms=duration))

    async def _remove_rate_limit(self) -> None:
        await self._run(upkeep.remove_rate_limit(self.keys))

    async def _rate_limit(self, duration: int) -> None:
        await self._run(upkeep.hold_back(self.keys, duration_ms=duration))

    async def _remove_rate_limit_key(self) -> None:
        await self._run(upkeep.stop_holding_back(self.keys))

    async def _clean(self, grace: int, limit: int, state: upkeep.Place) -> list[str]:
        ids: list[str] = []
        part = upkeep.Cleaned(job_ids=(), skip=0, more=True)
        while part.more:
            rest = limit - len(ids) if limit else 0
            call = upkeep.clean(
                self.keys, place=state, now=self._now, grace_ms=grace, limit=rest, skip=part.skip, room=10_000
            )
            part = await self._run(call)
            ids += part.job_ids
        return sorted(ids)

    async def _drain(self, delayed: bool) -> None:
        while await self._run(upkeep.drain(self.keys, delayed=delayed, room=100)) == 100:
            pass

    async def _obliterate(self, force: bool) -> None:
        await self._pause()  # as Node's client does
        try:
            while await self._run(upkeep.obliterate(self.keys, force=force, room=100)):
                pass
        except Refused as refusal:
            raise Refused(str(refusal)) from refusal  # Node tells no code

    async def _retry_jobs(self, state: upkeep.Restartable, count: int) -> None:
        while await self._run(upkeep.restart(self.keys, place=state, now=self._now, room=count)) == count:
            pass

    async def _promote_jobs(self, count: int) -> None:
        await self._retry_jobs("delayed", count)

    # Questions

    async def _priorities(self, priorities: list[int]) -> dict[str, int]:
        counts = await self._run(look.counts_per_priority(self.keys, priorities=priorities))
        return {str(priority): count for priority, count in counts.items()}

    async def _rate_limit_ttl(self, max: int | None) -> dict[str, int]:  # noqa: A002 - as the driver calls it
        return {"limited": await self._run(look.rate_limit_ttl(self.keys, starts=max or 0))}

    async def _page(self, state: str, start: int, end: int, asc: bool) -> list[str]:
        call = look.page(self.keys, state=JobState(state), start=start, end=end, oldest_first=asc)
        ids = await self._run(call)
        return list(ids)

    async def _settings(self) -> dict[str, Any]:
        found = await self._run(look.settings(self.keys))
        return {
            "paused": found.paused,
            "concurrency": found.concurrency,
            "max": found.rate_max,
            "duration": found.rate_duration_ms,
        }

    async def _finished(self, job_id: str) -> list[Any]:
        found = await self._run(read.finished(self.keys, job_id=job_id))
        code = {None: 0, Outcome.COMPLETED: 1, Outcome.FAILED: 2}[found.outcome]
        return [code, found.value]
