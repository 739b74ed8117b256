"""Plays a sequence of moves on one side.

Which job a move is about is decided by the database as it is after the step before. As long as the sides agree, that
is the same on all of them; from the first difference on, the sequence need not make sense any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.conformance.sides import QUEUE, Refused, Side, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.conformance.fuzz.moves import Move

# A job that stalls too often gets a deferred failure, which 5 and 6 take up at different steps of their workers.
PATIENT: Final = WorkerOptions(max_stalled=1000)


@dataclass
class Player:
    """One side in one sequence. `generation` leaves out what this BullMQ does otherwise than ours on purpose (§12)."""

    side: Side
    generation: int
    jobs: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    claims: int = 0
    flows: int = 0

    async def play(self, moves: Sequence[Move]) -> None:
        """Run all moves; what is refused is a step like any other."""
        for move in moves:
            own: Callable[..., Awaitable[None]] | None = getattr(self, f"_{move.operation}", None)
            with suppress(Refused):
                if own is not None:
                    await own(move.job, **move.arguments)
                else:
                    await self.side.call(move.operation, **move.arguments)

    # What is there

    def _content(self) -> Mapping[str, Any]:
        return self.side.steps[-1].content if self.side.steps else {}

    def _in(self, *states: str) -> list[str]:
        content = self._content()
        return [job for state in states for job in content.get(state, {"value": ()})["value"]]

    def _field(self, job: str, name: str) -> str | None:
        value: str | None = self._content().get(job, {"value": {}})["value"].get(name)
        return value

    def _field_names(self, name: str) -> Set[str]:
        names: Set[str] = self._content().get(name, {"value": {}})["value"].keys()
        return names

    def _pick_existing(self, place: int) -> str | None:
        """A job whose record is there: Node's client asks for it first, and says otherwise what is missing."""
        existing = [job for job in self.jobs if self._field(job, "name") is not None]
        return existing[place % len(existing)] if existing else None

    def _pick_held(self, place: int) -> str | None:
        """One of the jobs that are active under a token of this player."""
        active = [job for job in self._in("active") if job in self.held]
        return active[place % len(active)] if active else None

    # A producer's moves

    async def _add(self, _job: int, opts: Mapping[str, Any], data: Any) -> None:
        self._know(await self.side.add(data=data, **opts))

    async def _add_deduplicated(self, _job: int, opts: Mapping[str, Any], deduplication: Mapping[str, Any]) -> None:
        self._know(await self.side.add(data=1, **opts, deduplication=dict(deduplication)))

    async def _add_bulk(self, _job: int, jobs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]]) -> None:
        entries = []
        for number, (opts, deduplication) in enumerate(jobs):
            own = {} if deduplication is None else {"deduplication": dict(deduplication)}
            entries.append({"name": "paint", "data": number, "opts": {**opts, **own}})
        for job in await self.side.add_bulk(entries):
            self._know(job)

    def _know(self, job: str) -> None:
        if job not in self.jobs:
            self.jobs.append(job)

    def _unlike_a_fetch(self) -> bool:
        """Whether Node's worker would do more with the next job than its finish with fetch-next does."""
        return "repeat" in self._content() or any(self._field(job, "defa") for job in self._in("wait", "prioritized"))

    async def _add_flow(self, _job: int, parent: Mapping[str, Any], flags: Sequence[Mapping[str, bool]]) -> None:
        self.flows += 1
        whole = f"whole-{self.flows}"
        parts = [(f"part-{self.flows}-{number}", flag) for number, flag in enumerate(flags)]
        children = [
            {"name": "part", "queueName": QUEUE, "data": 0, "opts": {"jobId": part, **flag}} for part, flag in parts
        ]
        tree = {"name": "whole", "queueName": QUEUE, "data": 0, "opts": {"jobId": whole, **parent}}
        await self.side.call("add_flow", tree=tree | ({"children": children} if children else {}))
        for job in (whole, *(part for part, _ in parts)):
            self._know(job)

    async def _leave_parent(self, place: int) -> None:
        if (job := self._pick_existing(place)) and self._field(job, "parentKey") is not None:
            await self.side.call("leave_parent", job_id=job)

    async def _schedule(self, _job: int, scheduler_id: str, repeat: Mapping[str, Any]) -> None:
        # 6 leaves the run of a paused queue where it is and adds another (docs/bullmq-compatibility.md).
        if self.generation == 5 or "paused" not in self._field_names("meta"):
            template = {"name": "tick", "data": {"of": scheduler_id}}
            await self.side.call("upsert_scheduler", scheduler_id=scheduler_id, repeat=dict(repeat), template=template)

    async def _unschedule(self, _job: int, scheduler_id: str) -> None:
        await self.side.call("remove_scheduler", scheduler_id=scheduler_id)

    # A worker's moves

    async def _fetch(self, _job: int) -> None:
        self.claims += 1
        if any(self._field(job, "defa") for job in self._in("wait", "paused", "prioritized", "delayed")):
            # 5 and 6 take up a deferred failure at different steps of their workers; as a whole they do the same. But
            # 5 goes on to the next job in the same step, and having none resets `pc`.
            ready = self._in("wait", "paused", "prioritized", "delayed")
            if self.generation == 5 and (len(ready) > 1 or "pc" in self._content()):
                return
            await self.side.process({"value": None}, f"token-{self.claims}")
            return
        self._hold(await self.side.fetch(f"token-{self.claims}"), f"token-{self.claims}")

    def _hold(self, fetched: Mapping[str, Any] | None, token: str) -> None:
        if fetched and fetched["job"]:
            self.held[fetched["job"]["id"]] = token
            self._know(fetched["job"]["id"])

    async def _complete(self, place: int, value: Any, fetch_next: bool) -> None:
        if job := self._pick_held(place):
            token = self.held[job]
            # A refused finish keeps BullMQ from fetching, and not us: its worker asks again (docs).
            fetch_next = fetch_next and f"{job}:lock" in self._content() and not self._unlike_a_fetch()
            fetched = await self.side.complete(job, value, token, fetch_next=fetch_next)
            self._hold(fetched, token)

    async def _fail(self, place: int, unrecoverable: bool) -> None:
        if job := self._pick_held(place):
            await self.side.fail(job, token=self.held[job], unrecoverable=unrecoverable)

    async def _delay(self, place: int, ms: int) -> None:
        if job := self._pick_held(place):
            assert self.side.now is not None
            await self.side.delay(job, self.side.now + ms, self.held[job])

    async def _release(self, place: int) -> None:
        if job := self._pick_held(place):
            await self.side.release(job, self.held[job])

    async def _extend(self, place: int) -> None:
        if job := self._pick_held(place):
            await self.side.extend(job, 30_000, self.held[job])

    async def _stall(self, _job: int) -> None:
        """Two checks with all locks run out in between."""
        await self.side.stalled_check(PATIENT)
        await self.side.advance(31_000)
        await self.side.stalled_check(PATIENT)

    async def _progress(self, place: int, value: Any) -> None:
        if job := self._pick_existing(place):
            await self.side.progress(job, value)

    async def _log(self, place: int, row: str, keep: int | None) -> None:
        if job := self._pick_existing(place):
            await self.side.log(job, row, keep)

    async def _update_data(self, place: int, data: Any) -> None:
        if job := self._pick_existing(place):
            await self.side.update_data(job, data)

    async def _advance(self, _job: int, ms: int) -> None:
        await self.side.advance(ms)
        await self.side.counts()

    # Moves on the queue and its jobs

    async def _about(self, operation: str, place: int, *, mostly: str = "", **arguments: Any) -> None:
        """An operation on one job: with an even `place` on one of the state that it is made for, if there is any."""
        fitting = self._in(mostly) if mostly and place % 2 == 0 else []
        job = fitting[place % len(fitting)] if fitting else self._pick_existing(place)
        if job is not None:
            await self.side.call(operation, job_id=job, **arguments)

    async def _promote(self, place: int) -> None:
        await self._about("promote", place, mostly="delayed")

    async def _change_delay(self, place: int, delay: int) -> None:
        await self._about("change_delay", place, mostly="delayed", delay=delay)

    async def _change_priority(self, place: int, priority: int, lifo: bool) -> None:
        await self._about("change_priority", place, priority=priority, lifo=lifo)

    async def _retry(self, place: int, state: str) -> None:
        if not self._retried_by_priority(*self._in("completed", "failed")):
            await self._about("retry", place, mostly=state, state=state)

    def _retried_by_priority(self, *jobs: str) -> bool:
        """§12: 5 puts a retried job into wait whatever its priority."""
        return self.generation == 5 and any(self._field(job, "priority") != "0" for job in jobs)

    async def _remove(self, place: int) -> None:
        await self._about("remove", place)

    async def _retry_jobs(self, _job: int, state: str) -> None:
        # §12: 5 leaves the old results of children with their parents.
        if not (self.generation == 5 and any(self._field(job, "parentKey") for job in self._in(state))):
            await self.side.call("retry_jobs", state=state, count=1000)

    async def _promote_jobs(self, _job: int) -> None:
        await self.side.call("promote_jobs", count=1000)

    async def _pause(self, _job: int) -> None:
        await self.side.call("pause")

    async def _resume(self, _job: int) -> None:
        # 5 refreshes the marker of delayed jobs even when the queue was not paused.
        if self.generation != 5 or "paused" in self._field_names("meta"):
            await self.side.call("resume")

    async def _clean(self, _job: int, grace: int, limit: int, state: str) -> None:
        # §12: 6 has the jobs of a paused queue in `wait`, where ours are not.
        held = self._in(state)
        # BullMQ looks at no more jobs than it may delete, ours at as many as it takes to find them.
        if len(held) > limit and (grace or any(self._field(job, "rjk") for job in held)):
            limit = 0
        if self.generation == 5 or state not in ("wait", "paused") or "paused" not in self._field_names("meta"):
            await self.side.call("clean", grace=grace, limit=limit, state=state)

    async def _drain(self, _job: int, delayed: bool) -> None:
        # Node may lose a run that waits, and keep the id of a deleted job in its place (§7.4).
        if "repeat" not in self._content():
            await self.side.call("drain", delayed=delayed)

    async def _obliterate(self, _job: int, force: bool) -> None:
        await self.side.call("obliterate", force=force)

    async def _set_concurrency(self, _job: int, concurrency: int) -> None:
        await self.side.call("set_concurrency", concurrency=concurrency)

    async def _set_rate_limit(self, _job: int, **arguments: int) -> None:
        await self.side.call("set_rate_limit", **arguments)
