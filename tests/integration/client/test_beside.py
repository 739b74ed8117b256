"""Jobs that are added in the step that finishes another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bullpen.protocol import JobOptions, KeepJobs, QueueKeys
from bullpen.protocol.calls import add, gone
from bullpen.protocol.calls.work import Addition, Finish, work
from bullpen.protocol.replies import Outcome, Status
from tests.integration.client.desk import Desk, completed, failed


def addition(desk: Desk, job_id: str = "msg_1", **options: Any) -> Addition:
    beside = QueueKeys(desk.keys.prefix, f"{desk.keys.queue}.webhooks")
    stored = JobOptions(job_id=job_id, attempts=10, **options)
    return Addition(keys=beside, name="job.completed", data='{"n":1}', options=stored)


def left(desk: Desk, keys: QueueKeys) -> dict[str, Any]:
    """What a queue consists of, by the names of its keys behind its own."""
    found: dict[str, Any] = {}
    for key in sorted(desk.raw.keys(f"{keys.base}*")):
        kind = desk.raw.type(key)
        read = {
            "hash": desk.raw.hgetall,
            "list": lambda key: desk.raw.lrange(key, 0, -1),
            "zset": lambda key: desk.raw.zrange(key, 0, -1, withscores=True),
            "stream": lambda key: [fields for _, fields in desk.raw.xrange(key)],
            "string": desk.raw.get,
        }[kind]
        found[key.removeprefix(keys.base)] = read(key)
    return found


@pytest.mark.parametrize("paused", [False, True])
async def test_it_is_there_as_if_it_had_been_added(desk: Desk, paused: bool) -> None:
    wanted = addition(desk)
    plain = QueueKeys(desk.keys.prefix, "plain")
    if paused:
        for keys in (wanted.keys, plain):
            desk.raw.hset(keys.meta, "paused", 1)
    await desk.add()
    claimed = await desk.claim_one()
    assert await desk.finish(replace(completed(claimed), additions=[wanted])) == [Status.OK]
    call = add.add(plain, name=wanted.name, data=wanted.data, now=desk.now, options=wanted.options)
    await desk.link.run(call)
    assert left(desk, wanted.keys) == left(desk, plain)
    assert desk.raw.lrange(wanted.keys.paused if paused else wanted.keys.wait, 0, -1) == ["msg_1"]
    assert desk.scores("completed") == {"1": desk.now}


async def test_several_beside_the_fields_of_a_failure(desk: Desk) -> None:
    await desk.add()
    await desk.add()
    first, second = await desk.claim(2)
    two = [addition(desk, "msg_1"), addition(desk, "msg_2")]
    finishes = (
        failed(first, "boom", fields={"stacktrace": "[]", "bp:cause": "error"}, additions=two),
        completed(second, '"done"', additions=[addition(desk, "msg_3")]),
    )
    assert await desk.finish(*finishes) == [Status.OK, Status.OK]
    job = desk.job("1")
    assert (job["failedReason"], job["stacktrace"], job["bp:cause"]) == ("boom", "[]", "error")
    assert desk.job("2")["returnvalue"] == '"done"'
    assert desk.raw.lrange(two[0].keys.wait, 0, -1) == ["msg_3", "msg_2", "msg_1"]


async def test_a_job_that_is_removed_by_its_end_still_brings_it(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    added = addition(desk)
    await desk.finish(replace(completed(claimed), keep=KeepJobs(count=0), additions=[added]))
    assert desk.job("1") == {}
    assert desk.raw.llen(added.keys.wait) == 1


async def test_a_finish_that_is_refused_adds_nothing(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    before = desk.fingerprint()
    foreign = replace(completed(claimed), token="another's", additions=[addition(desk)])
    gone = Finish("ghost", "t", Outcome.COMPLETED, "null", additions=[addition(desk)])
    assert await desk.finish(foreign, gone) == [Status.LOCK_FOREIGN, Status.MISSING]
    assert desk.fingerprint() == before


async def test_the_finish_sent_again_adds_nothing_again(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    finish = replace(completed(claimed), additions=[added := addition(desk)])
    assert await desk.finish(finish) == [Status.OK]
    assert await desk.finish(finish) == [Status.LOCK_MISSING]
    assert desk.raw.lrange(added.keys.wait, 0, -1) == ["msg_1"]


async def test_an_id_that_exists_there_stays_as_it_is(desk: Desk) -> None:
    added = addition(desk)
    desk.raw.hset(added.keys.job("msg_1"), "name", "older")
    await desk.add()
    claimed = await desk.claim_one()
    await desk.finish(replace(completed(claimed), additions=[added]))
    assert desk.raw.hgetall(added.keys.job("msg_1")) == {"name": "older"}
    assert desk.raw.exists(added.keys.wait) == 0
    [(_, event)] = desk.raw.xrange(added.keys.events)
    assert event == {"event": "duplicated", "jobId": "msg_1"}


@pytest.mark.parametrize("key", ["wait", "meta", "events", "msg_1"])
async def test_damage_there_holds_up_nothing_here_and_is_told(desk: Desk, key: str) -> None:
    added = addition(desk)
    desk.raw.set(added.keys.base + key, "damage")
    await desk.add()
    claimed = await desk.claim_one()
    reply = await desk.work(replace(completed(claimed), additions=[added]))
    assert reply.finished == (Status.OK,)
    [trouble] = reply.troubles
    assert added.keys.base + key in trouble
    assert "msg_1" in trouble
    assert desk.scores("completed") == {"1": desk.now}


async def test_a_finish_without_additions_costs_what_it_did(desk: Desk) -> None:
    await desk.add()
    claimed = await desk.claim_one()
    call = work(desk.keys, now=desk.now, finishes=[completed(claimed)])
    assert len(call.command) == 9 + 7
    await desk.link.run(call)  # the script is loaded
    await desk.add()
    claimed = await desk.claim_one()
    desk.raw.config_resetstat()
    await desk.finish(completed(claimed))
    calls = {name.removeprefix("cmdstat_"): said["calls"] for name, said in desk.raw.info("commandstats").items()}
    del calls["config|resetstat"]
    assert calls == {
        "evalsha": 1,
        "hmget": 2,
        "zintercard": 1,
        "xlen": 1,
        "llen": 2,
        "mget": 1,
        "exists": 2,
        "lrem": 1,
        "hset": 1,
        "xadd": 2,
        "del": 1,
        "srem": 1,
        "zadd": 1,
    }


async def test_nothing_is_added_for_one_who_is_gone(desk: Desk) -> None:
    first, second = (replace(addition(desk, f"msg_{n}"), told=f"https://{n}.example") for n in (1, 2))
    assert await desk.link.run(gone.disable(first.keys, url=first.told, now=desk.now))
    assert not await desk.link.run(gone.disable(first.keys, url=first.told, now=desk.now + 1000))
    assert await desk.link.run(gone.since(first.keys, url=first.told)) == desk.now / 1000
    await desk.add()
    claimed = await desk.claim_one()
    finish = replace(completed(claimed), additions=[first, second], fields={"bp:cause": "error"})
    assert await desk.finish(finish) == [Status.OK]
    assert desk.raw.lrange(first.keys.wait, 0, -1) == ["msg_2"]
    assert desk.job(claimed.job.id)["bp:cause"] == "error"
    assert await desk.link.run(gone.enable(first.keys, url=first.told))
    assert await desk.link.run(gone.disabled(first.keys)) == {}


async def test_as_many_as_are_remembered_are_gone(desk: Desk) -> None:
    keys = addition(desk).keys
    desk.raw.zadd(keys.gone, {f"https://{n}.example": n for n in range(gone.MOST_URLS)})
    assert await desk.link.run(gone.disable(keys, url="https://new.example", now=desk.now))
    assert len(found := await desk.link.run(gone.disabled(keys))) == gone.MOST_URLS
    assert ("https://0.example" in found, "https://new.example" in found) == (False, True)


async def test_damage_among_those_who_are_gone_tells_all(desk: Desk) -> None:
    wanted = replace(addition(desk), told="https://example.com")
    desk.raw.set(wanted.keys.gone, "broken")
    await desk.add()
    assert await desk.finish(replace(completed(await desk.claim_one()), additions=[wanted])) == [Status.OK]
    assert desk.raw.lrange(wanted.keys.wait, 0, -1) == ["msg_1"]
