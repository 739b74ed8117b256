"""A queue with jobs in every state, and all that can be asked of it; made once, put back for every try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from bullpen.client.connection import Link
from bullpen.protocol import Deduplication, JobOptions, KeepJobs, QueueKeys
from bullpen.protocol.call import Call
from bullpen.protocol.calls import add, change, children, dedup, fail, job, locks, look, read, schedules, upkeep, work
from bullpen.protocol.calls.flow import FlowJob, OnFailure, Parent, add_child, add_flow, wait_for_children
from bullpen.protocol.calls.upkeep import Place
from bullpen.protocol.calls.work import Finish, RateLimit
from bullpen.protocol.replies import JobState, Outcome
from bullpen.protocol.schedule import Repeat, Template

NOW: Final = 1_700_000_000_000
VIDEOS: Final = QueueKeys("bull", "videos")
IMAGES: Final = QueueKeys("bull", "images")
KEEP_LAST: Final = Deduplication("film", keep_last=True)
HELD: Final = ("held", "child", "owner", "waits", "retried")
"""Jobs that a worker holds; the token of each is `t-<id>`."""

PLACES: Final[tuple[Place, ...]] = ("wait", "paused", "active", "prioritized", "delayed", "completed", "failed")

Operation = Callable[[], Call[Any]]


@dataclass
class House:
    link: Link
    raw: Any  # bytes
    content: dict[bytes, bytes] = field(default_factory=dict)

    async def build(self) -> None:
        """Jobs in every state of `videos`, relatives in `images`, a scheduler, a deduplication id with a next job."""
        run = self.link.run
        self.raw.config_set("hash-max-listpack-value", 4096)  # a rehash would change dumps without any change
        for name in ("old", "broken"):
            await self.add(name)
            await self.hold(name)
            outcome = Outcome.COMPLETED if name == "old" else Outcome.FAILED
            await run(work.work(VIDEOS, now=NOW, finishes=[finish(name, outcome)], metrics=60))
        await run(
            add_flow(
                [
                    node(VIDEOS, "parent", has_children=True),
                    node(VIDEOS, "child", "parent"),
                    node(IMAGES, "cousin", "parent"),
                ],
                now=NOW,
            )
        )
        await self.hold("child")
        await self.add("owner", deduplication=KEEP_LAST)
        await self.hold("owner")
        await self.add("next", deduplication=KEEP_LAST)
        await self.add("held", backoff=None, attempts=3)
        await self.hold("held")
        await self.add("retried", attempts=3)
        await self.hold("retried")
        await self.add("waits")
        await self.hold("waits")
        await self.add("lost")
        await self.hold("lost")
        small = JobOptions(job_id="small")
        await run(add_child(VIDEOS, parent=Parent(VIDEOS, "waits"), name="x", data="{}", now=NOW, options=small))
        self.raw.delete(VIDEOS.lock("lost"))
        self.raw.sadd(VIDEOS.base + "stalled", "lost")
        for name, options in (
            ("ready", {}),
            ("second", {}),
            ("urgent", {"priority": 3}),
            ("due", {"delay": 1}),
            ("later", {"delay": 90_000}),
        ):
            await self.add(name, **options)
        await run(upsert("tick"))
        await run(job.log(VIDEOS, job_id="ready", row="a row"))
        self.raw.delete(VIDEOS.base + "stalled-check")
        self.content = self.dump()

    async def add(self, name: str, **options: Any) -> None:
        await self.link.run(add.add(VIDEOS, name="x", data="{}", now=NOW, options=JobOptions(job_id=name, **options)))

    async def hold(self, name: str) -> None:
        reply = await self.link.run(work.work(VIDEOS, now=NOW, tokens=[f"t-{name}"], lock_ms=600_000))
        assert [claimed.job.id for claimed in reply.claimed] == [name]

    def dump(self) -> dict[bytes, bytes]:
        """Every key with its content."""
        keys = sorted(self.raw.keys())
        with self.raw.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.dump(key)
            return dict(zip(keys, pipe.execute(), strict=True))

    def put_back(self) -> None:
        """The database as it was built, locks without expiry."""
        with self.raw.pipeline(transaction=False) as pipe:
            pipe.flushdb()
            for key, value in self.content.items():
                pipe.restore(key, 0, value)
            pipe.execute()


def node(keys: QueueKeys, name: str, parent: str | None = None, *, has_children: bool = False) -> FlowJob:
    return FlowJob(
        keys=keys,
        job_id=name,
        name="x",
        data="{}",
        parent=None if parent is None else Parent(VIDEOS, parent),
        on_failure=None if parent is None else OnFailure.FAIL_PARENT,
        has_children=has_children,
    )


def upsert(name: str, every: int = 60_000) -> Call[Any]:
    return schedules.upsert(VIDEOS, scheduler_id=name, repeat=Repeat(every=every), template=Template("x"), now=NOW + 1)


def finish(name: str, outcome: Outcome = Outcome.COMPLETED, keep: KeepJobs = KeepJobs()) -> Finish:  # noqa: B008
    return Finish(name, f"t-{name}", outcome, "null", keep=keep, fields={"stacktrace": "[]"})


def working(*names: str, claim: int = 0, outcome: Outcome = Outcome.COMPLETED, **settings: Any) -> Operation:
    keep = settings.pop("keep", KeepJobs())
    return lambda: work.work(
        VIDEOS,
        now=NOW + 70_000,
        finishes=[finish(name, outcome, keep) for name in names],
        tokens=[f"n{number}" for number in range(claim)],
        metrics=60,
        **settings,
    )


def adding(**options: Any) -> Operation:
    return lambda: add.add(VIDEOS, name="x", data="{}", now=NOW, options=JobOptions(**options))


def cleaning(place: Place) -> Operation:
    return lambda: upkeep.clean(VIDEOS, place=place, now=NOW + 99)


def paging(state: JobState) -> Operation:
    return lambda: look.page(VIDEOS, state=state)


def held(name: str) -> dict[str, Any]:
    return {"job_id": name, "token": f"t-{name}"}


OPERATIONS: Final[dict[str, Operation]] = {
    "add": adding(),
    "add delayed": adding(delay=5000),
    "add prioritized": adding(priority=2),
    "add known id": adding(job_id="ready"),
    "add deduplicated": adding(deduplication=Deduplication("other", ttl=500)),
    "add keep last": adding(deduplication=KEEP_LAST),
    "add child": lambda: add_child(VIDEOS, parent=Parent(VIDEOS, "parent"), name="x", data="{}", now=NOW),
    "add known child": lambda: add_child(
        VIDEOS, parent=Parent(VIDEOS, "parent"), name="x", data="{}", now=NOW, options=JobOptions(job_id="old")
    ),
    "flow": lambda: add_flow(
        [node(VIDEOS, "f", has_children=True), node(VIDEOS, "g", "f"), node(IMAGES, "h", "f")], now=NOW
    ),
    "claim": working(claim=9),
    "claim limited": working(claim=9, limiter=RateLimit(max=5, duration_ms=1000)),
    "complete": working("held", claim=1),
    "complete several": working("held", "child", "owner", "retried"),
    "fail": working("held", outcome=Outcome.FAILED, claim=2),
    "complete child": working("child"),
    "fail child": working("child", outcome=Outcome.FAILED),
    "complete child and forget it": working("child", keep=KeepJobs(count=0)),
    "complete owner": working("owner"),
    "complete and prune": working("held", keep=KeepJobs(count=1)),
    "complete and prune by age": working("held", keep=KeepJobs(age=1)),
    "retry": lambda: fail.retry(VIDEOS, **held("retried"), now=NOW + 9, fields={"failedReason": "x"}),
    "delay": lambda: fail.delay(VIDEOS, **held("retried"), now=NOW, delay_ms=9),
    "release": lambda: locks.release(VIDEOS, **held("retried"), limit_ms=5),
    "extend": lambda: locks.extend(VIDEOS, locks=[(each, f"t-{each}") for each in HELD], lock_ms=999),
    "stalled check": lambda: locks.stalled_check(VIDEOS, now=NOW, max_stalled=0),
    "wait for children": lambda: wait_for_children(VIDEOS, **held("waits"), now=NOW),
    "progress": lambda: job.progress(VIDEOS, job_id="ready", value="5"),
    "log": lambda: job.log(VIDEOS, job_id="ready", row="another", keep=1),
    "update data": lambda: job.update_data(VIDEOS, job_id="ready", data="[]"),
    "save trace": lambda: change.save_trace(VIDEOS, job_id="ready", stacktrace="[]", reason="x"),
    "clear logs": lambda: change.clear_logs(VIDEOS, job_id="ready"),
    "promote": lambda: change.promote(VIDEOS, job_id="later"),
    "change delay": lambda: change.change_delay(VIDEOS, job_id="later", now=NOW, delay_ms=5),
    "change priority": lambda: change.change_priority(VIDEOS, job_id="ready", priority=5),
    "change priority back": lambda: change.change_priority(VIDEOS, job_id="urgent", priority=0),
    "reprocess": lambda: change.reprocess(VIDEOS, job_id="broken", outcome=Outcome.FAILED),
    "remove": lambda: change.remove(VIDEOS, job_id="ready"),
    "remove delayed": lambda: change.remove(VIDEOS, job_id="later"),
    "remove cousin": lambda: change.remove(IMAGES, job_id="cousin"),
    "remove alone": lambda: change.remove(VIDEOS, job_id="parent", children=False),
    "remove unprocessed": lambda: change.remove_unprocessed(VIDEOS, job_id="parent"),
    "leave parent": lambda: change.leave_parent(IMAGES, job_id="cousin"),
    "pause": lambda: upkeep.pause(VIDEOS),
    "resume": lambda: upkeep.resume(VIDEOS),
    "drain": lambda: upkeep.drain(VIDEOS, delayed=True),
    **{f"clean {place}": cleaning(place) for place in PLACES},
    "restart failed": lambda: upkeep.restart(VIDEOS, place="failed", now=NOW + 99),
    "restart delayed": lambda: upkeep.restart(VIDEOS, place="delayed", now=NOW),
    "obliterate": lambda: upkeep.obliterate(VIDEOS, force=True),
    "set concurrency": lambda: upkeep.set_concurrency(VIDEOS, concurrency=2),
    "rate limit": lambda: look.rate_limit_ttl(VIDEOS, starts=1),
    "settings": lambda: look.settings(VIDEOS),
    "schedule": lambda: upsert("new"),
    "schedule again": lambda: upsert("tick"),
    "schedule otherwise": lambda: upsert("tick", every=50_000),
    "unschedule": lambda: schedules.remove(VIDEOS, scheduler_id="tick"),
    "scheduler": lambda: schedules.scheduler(VIDEOS, scheduler_id="tick"),
    "schedulers": lambda: schedules.schedulers(VIDEOS),
    "counts": lambda: read.counts(VIDEOS),
    "counts by priority": lambda: look.counts_per_priority(VIDEOS, priorities=[0, 3]),
    "state": lambda: read.state(VIDEOS, job_id="nowhere"),
    "job": lambda: read.job(VIDEOS, job_id="ready"),
    "logs": lambda: read.logs(VIDEOS, job_id="ready"),
    "finished": lambda: read.finished(VIDEOS, job_id="ready"),
    **{f"page {state}": paging(state) for state in JobState if state is not JobState.UNKNOWN},
    "children": lambda: children.counts(VIDEOS, job_id="parent"),
    "children values": lambda: children.values(VIDEOS, job_id="parent"),
    "dedup owner": lambda: dedup.dedup_owner(VIDEOS, dedup_id="film"),
    "free own dedup": lambda: dedup.remove_own_dedup_key(VIDEOS, job_id="owner"),
}
"""Everything that reads what is stored, on the jobs that `House.build` made."""
