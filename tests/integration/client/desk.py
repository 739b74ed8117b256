"""A queue in an empty database and the calls on it, under a clock that only the test moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bullpen.client.connection import Link
from bullpen.protocol import JobOptions, QueueKeys
from bullpen.protocol.calls import add, read, work
from bullpen.protocol.calls.work import Finish
from bullpen.protocol.replies import Claimed, Counts, Outcome, Status, WorkReply

NOW = 1_700_000_000_000
LOCK_MS = 30_000


@dataclass
class Desk:
    link: Link
    raw: Any  # redis-py's annotations cannot tell that its replies are decoded
    keys: QueueKeys
    now: int = NOW
    claims: int = 0

    async def add(self, name: str = "render", data: str = "{}", **options: Any) -> str:
        call = add.add(self.keys, name=name, data=data, now=self.now, options=JobOptions(**options))
        return (await self.link.run(call)).job_id

    async def work(self, *finishes: Finish, claim: int = 0, **settings: Any) -> WorkReply:
        tokens = []
        for _ in range(claim):
            self.claims += 1
            tokens.append(f"t{self.claims}")
        call = work.work(self.keys, now=self.now, finishes=finishes, tokens=tokens, lock_ms=LOCK_MS, **settings)
        return await self.link.run(call)

    async def claim(self, count: int = 1, **settings: Any) -> list[Claimed]:
        return list((await self.work(claim=count, **settings)).claimed)

    async def claim_one(self, **settings: Any) -> Claimed:
        [claimed] = await self.claim(1, **settings)
        return claimed

    async def finish(self, *finishes: Finish, **settings: Any) -> list[Status]:
        return list((await self.work(*finishes, **settings)).finished)

    async def counts(self) -> Counts:
        return await self.link.run(read.counts(self.keys))

    def job(self, job_id: str) -> dict[str, str]:
        fields: dict[str, str] = self.raw.hgetall(self.keys.job(job_id))
        return fields

    def events(self) -> list[str]:
        """All events so far as `kind name=value …`, in order; the stream is emptied."""
        entries: list[tuple[str, dict[str, str]]] = self.raw.xrange(self.keys.events)
        self.raw.xtrim(self.keys.events, maxlen=0, approximate=False)
        return [
            " ".join([fields.pop("event"), *(f"{name}={value}" for name, value in fields.items())])
            for _id, fields in entries
        ]

    def list(self, name: str) -> list[str]:
        """A list from head to tail."""
        ids: list[str] = self.raw.lrange(self.keys.base + name, 0, -1)
        return ids

    def scores(self, name: str) -> dict[str, float]:
        return dict(self.raw.zrange(self.keys.base + name, 0, -1, withscores=True))

    def meta(self, **fields: Any) -> None:
        self.raw.hset(self.keys.meta, mapping={name.replace("__", "."): value for name, value in fields.items()})

    def fingerprint(self) -> dict[str, Any]:
        """Every key of the database with its content, to see that nothing was written."""
        return {key: self.raw.dump(key) for key in sorted(self.raw.keys())}


def completed(claimed: Claimed, value: str = "null", **fields: Any) -> Finish:
    return Finish(claimed.job.id, claimed.token, Outcome.COMPLETED, value, **fields)


def failed(claimed: Claimed, reason: str = "boom", **fields: Any) -> Finish:
    return Finish(claimed.job.id, claimed.token, Outcome.FAILED, reason, **fields)
