"""Retries and delayed retries (protocol §5; numbers are those of the checklist in §13)."""

from __future__ import annotations

import pytest

from bullpen.errors import JobMissing, LockLost
from bullpen.protocol import Call
from bullpen.protocol.calls import fail
from tests.integration.client.desk import NOW, Desk


async def test_an_immediate_retry_goes_to_the_back(desk: Desk) -> None:  # 57
    await desk.add(attempts=2)
    await desk.add()
    claimed = await desk.claim_one()
    desk.events()
    desk.raw.delete(desk.keys.marker)
    fields = {"failedReason": "boom", "stacktrace": '["at x"]'}
    await desk.link.run(fail.retry(desk.keys, job_id="1", token=claimed.token, now=NOW, fields=fields))
    assert (desk.list("wait"), desk.list("active")) == (["1", "2"], [])
    job = desk.job("1")
    assert (job["atm"], job["failedReason"], job["stacktrace"]) == ("1", "boom", '["at x"]')
    assert desk.events() == ["waiting jobId=1 prev=active"]
    assert desk.scores("failed") == {}
    assert desk.scores("marker") == {"0": 0.0}
    assert desk.raw.exists(desk.keys.lock("1")) == 0


async def test_a_lifo_retry_is_next(desk: Desk) -> None:  # 58
    await desk.add()
    await desk.add()
    claimed = await desk.claim_one()
    await desk.link.run(fail.retry(desk.keys, job_id="1", token=claimed.token, now=NOW, lifo=True))
    assert desk.list("wait") == ["2", "1"]


async def test_a_prioritized_retry_gets_a_fresh_place(desk: Desk) -> None:  # 59
    await desk.add(priority=3)
    await desk.add(priority=3)
    claimed = await desk.claim_one()
    await desk.link.run(fail.retry(desk.keys, job_id="1", token=claimed.token, now=NOW))
    assert desk.scores("prioritized") == {"2": 3 * 2**32 + 2, "1": 3 * 2**32 + 3}


async def test_a_retry_promotes_what_is_due(desk: Desk) -> None:  # §5.2
    await desk.add()
    await desk.add(delay=10)
    claimed = await desk.claim_one()
    desk.events()
    await desk.link.run(fail.retry(desk.keys, job_id="1", token=claimed.token, now=NOW + 10))
    assert desk.list("wait") == ["1", "2"]
    assert desk.events() == ["waiting jobId=2 prev=delayed", "waiting jobId=1 prev=active"]


async def test_a_retry_into_a_paused_queue_wakes_nobody(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    desk.meta(paused=1)
    desk.raw.delete(desk.keys.marker)
    await desk.link.run(fail.retry(desk.keys, job_id="1", token=claimed.token, now=NOW))
    assert desk.list("paused") == ["1"]
    assert desk.scores("marker") == {}


async def test_leaving_active_may_unblock_the_queue(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    desk.meta(concurrency=1)
    desk.raw.delete(desk.keys.marker)
    await desk.link.run(fail.retry(desk.keys, job_id="1", token=claimed.token, now=NOW))
    assert desk.scores("marker") == {"0": 0.0}


async def test_a_delayed_retry(desk: Desk) -> None:  # 60
    await desk.add()
    claimed = await desk.claim_one()
    desk.events()
    fields = {"failedReason": "boom", "stacktrace": "[]"}
    call = fail.delay(desk.keys, job_id="1", token=claimed.token, now=NOW, delay_ms=1000, fields=fields)
    await desk.link.run(call)
    assert desk.scores("delayed") == {"1": (NOW + 1000) * 4096}
    job = desk.job("1")
    assert (job["delay"], job["atm"], job["failedReason"]) == ("1000", "1", "boom")
    assert desk.scores("marker") == {"0": 0.0, "1": NOW + 1000}
    assert desk.events() == [f"delayed jobId=1 delay={NOW + 1000}"]
    assert desk.list("active") == []


async def test_a_job_that_delays_itself_spends_no_attempt(desk: Desk) -> None:  # 64
    await desk.add()
    claimed = await desk.claim_one()
    call = fail.delay(desk.keys, job_id="1", token=claimed.token, now=NOW, delay_ms=10, skip_attempt=True)
    await desk.link.run(call)
    assert "atm" not in desk.job("1")
    desk.now += 10
    assert (await desk.claim_one()).job.attempts_started == 2


@pytest.mark.parametrize("kind", ["retry", "delay"])
async def test_who_does_not_own_the_job_changes_nothing(desk: Desk, kind: str) -> None:
    def call(job_id: str, token: str) -> Call[None]:
        fields = {"failedReason": "boom"}
        if kind == "retry":
            return fail.retry(desk.keys, job_id=job_id, token=token, now=NOW, fields=fields)
        return fail.delay(desk.keys, job_id=job_id, token=token, now=NOW, delay_ms=5, fields=fields)

    await desk.add()
    await desk.add()
    await desk.claim(2)
    desk.raw.delete(desk.keys.lock("2"))
    before = desk.fingerprint()
    with pytest.raises(JobMissing, match="job ghost does not exist"):
        await desk.link.run(call("ghost", "t1"))
    with pytest.raises(LockLost, match="job 1 is locked by another worker"):
        await desk.link.run(call("1", "other"))
    with pytest.raises(LockLost, match="job 2 has no lock"):
        await desk.link.run(call("2", "t2"))
    assert desk.fingerprint() == before
    desk.raw.delete(desk.keys.active)
    with pytest.raises(LockLost, match="job 1 is not active"):
        await desk.link.run(call("1", "t1"))
    assert desk.job("1")["failedReason"] == "boom"  # as with a finish, the fields are written by then
    assert "atm" not in desk.job("1")
