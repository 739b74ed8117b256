"""Checklist: retries, delays and releases (bullmq-protocol.md §5, §6.3, items 57-65)."""

from __future__ import annotations

from tests.conformance.arena import Arena, ItemTest, differ, item
from tests.conformance.sides import START, Side, WorkerOptions

PRIORITY_STEP = 2**32


@item(57, "attempts 2, no backoff: left of wait, atm 1, reason and stacktrace, waiting prev active, not failed.")
async def test_item_57_an_immediate_retry_goes_to_the_back(side: Side) -> None:
    await side.add(attempts=2)
    await side.add()
    await side.fetch()
    await side.fail("1", "first try")
    content = await side.content()
    assert content["wait"]["value"] == ["1", "2"]
    assert content["1"]["value"]["atm"] == "1"
    assert content["1"]["value"]["failedReason"] == "first try"
    assert content["1"]["value"]["stacktrace"] == {"entries": 1}
    assert content["events"]["value"][-1] == [["event", "waiting"], ["jobId", "1"], ["prev", "active"]]
    assert "failed" not in content
    await side.fetch()
    assert (await side.fetch("second"))["job"]["attemptsMade"] == 1
    await side.fail("1", "second try", token="second")
    content = await side.content()
    assert list(content["failed"]["value"]) == ["1"]
    assert content["1"]["value"]["stacktrace"] == {"entries": 2}


@item(57, "A retry promotes due jobs first (§5.2) and wakes a worker by marker 0.")
async def test_item_57_a_retry_promotes_due_jobs_first(side: Side) -> None:
    await side.add(attempts=2)
    await side.fetch()
    await side.add(delay=100)
    await side.tamper("DEL", "marker")
    await side.advance(100)
    await side.fail("1")
    content = await side.content()
    assert content["wait"]["value"] == ["1", "2"]
    assert content["marker"]["value"] == {"0": 0}


@item(58, "lifo retry: right end of wait.")
async def test_item_58_a_lifo_job_is_retried_first(side: Side) -> None:
    await side.add(attempts=2, lifo=True)
    await side.add()
    await side.fetch()
    await side.fail("1")
    assert (await side.content())["wait"]["value"] == ["2", "1"]


@item(59, "A prioritized job is retried with a fresh pc.")
async def test_item_59_a_prioritized_retry_goes_behind_its_peers(side: Side) -> None:
    for _ in range(2):
        await side.add(attempts=2, priority=3)
    await side.fetch()
    await side.fail("1")
    assert (await side.content())["prioritized"]["value"] == {"2": 3 * PRIORITY_STEP + 2, "1": 3 * PRIORITY_STEP + 3}


@item(60, "fixed 1000: delayed, delay field 1000, due = now + 1000, marker 1 refreshed, event delayed.")
async def test_item_60_a_fixed_backoff_delays_the_retry(side: Side) -> None:
    await side.add(delay=60_000)
    await side.add(attempts=2, backoff={"type": "fixed", "delay": 1000})
    await side.fetch()
    await side.advance(20)
    await side.fail("2")
    content = await side.content()
    due = START + 20 + 1000
    assert content["delayed"]["value"]["2"] == due * 4096
    assert content["2"]["value"]["delay"] == "1000"
    assert content["2"]["value"]["atm"] == "1"
    assert content["marker"]["value"]["1"] == due
    assert content["events"]["value"][-1] == [["event", "delayed"], ["jobId", "2"], ["delay", str(due)]]
    assert "2:lock" not in content
    await side.advance(1000)
    assert (await side.fetch())["job"]["id"] == "2"


@item(61, "exponential 20, attempts 3: due offsets 20 then 40; final atm 3, ats 3, three stack entries.")
async def test_item_61_an_exponential_backoff_doubles(side: Side) -> None:
    await side.add(attempts=3, backoff={"type": "exponential", "delay": 20})
    for offset in (20, 40):
        await side.fetch()
        await side.fail("1", f"before {offset}")
        assert side.now is not None
        assert (await side.content())["delayed"]["value"] == {"1": (side.now + offset) * 4096}
        await side.advance(offset)
    await side.fetch()
    await side.fail("1", "the last")
    job = (await side.content())["1"]["value"]
    assert (job["atm"], job["ats"], job["stacktrace"]) == ("3", "3", {"entries": 3})
    assert job["failedReason"] == "the last"


@item(62, "jitter 0.5 on fixed 1000: delay in [500, 1000).")
async def test_item_62_jitter_shortens_the_delay(side: Side) -> None:
    for kind, delay, jitter in (
        ("fixed", 1000, 0.5),
        ("fixed", 1001, 1),
        ("exponential", 333, 0.3),
        ("exponential", 7, 0),
    ):
        added = await side.add(attempts=3, backoff={"type": kind, "delay": delay, "jitter": jitter})
        for failures in (1, 2):
            await side.fetch()
            await side.fail(added)
            mean = delay * (failures if kind == "exponential" else 1)
            waits = int((await side.content())[added]["value"]["delay"])
            assert mean * (1 - jitter) <= waits <= mean
            await side.advance(waits)
        await side.fetch()
        await side.complete(added)


@item(63, "stackTraceLimit 1 keeps one entry; 0 keeps none.")
async def test_item_63_stack_traces_are_limited(side: Side) -> None:
    for limit in (0, 1, 2):
        added = await side.add(attempts=3, stackTraceLimit=limit)
        for _ in range(3):
            await side.fetch()
            await side.fail(added)
        assert (await side.content())[added]["value"]["stacktrace"] == {"entries": min(limit, 3)}


@item(64, "A job that delays itself: atm unchanged, ats + 1 on the next start.")
async def test_item_64_a_delay_is_no_attempt(side: Side) -> None:
    await side.add()
    await side.fetch()
    await side.delay("1", START + 500)
    content = await side.content()
    assert "atm" not in content["1"]["value"]
    assert content["delayed"]["value"] == {"1": (START + 500) * 4096}
    await side.advance(500)
    await side.fetch()
    await side.complete("1")
    job = (await side.content())["1"]["value"]
    assert (job["ats"], job["atm"]) == ("2", "1")
    await side.add()
    await side.fetch()
    await side.delay("2", START)  # in the past: due at once


@item(64, "DelayedError, WaitingError, RateLimitError of a processor: no attempt, one more start.")
async def test_item_64_a_job_that_gives_itself_back_has_made_no_attempt(side: Side) -> None:
    await side.add(attempts=2)
    await side.process({"delay_until": START + 500})
    await side.advance(500)
    await side.process({"delay_until": START})  # in the past
    await side.process({"requeue": True})
    await side.process({"limit": 2000})
    content = await side.content()
    assert "atm" not in content["1"]["value"]
    assert content["limiter"]["value"] == str(2**53 - 1)
    limited = WorkerOptions(limiter=(5, 1000))
    assert (await side.fetch(worker=limited))["job"] is None
    await side.advance(2000)
    await side.process({"value": 1}, worker=limited)
    job = (await side.content())["1"]["value"]
    assert (job["ats"], job["atm"]) == ("5", "1")


@item(64, "Starts count against maxStartedAttempts, however they end.")
async def test_item_64_a_job_is_started_so_often_and_no_more(side: Side) -> None:
    worker = WorkerOptions(max_started=2)
    await side.add(attempts=5)
    for _ in range(2):
        assert (await side.process({"requeue": True}, worker=worker))["started"]
    assert not (await side.process({"value": 1}, worker=worker))["started"]
    job = (await side.content())["1"]["value"]
    assert job["failedReason"] == "job started more than allowable limit"


@item(61, "A custom strategy says how long, by the number of failures; 0 is at once, -1 never again.")
async def test_item_61_a_custom_backoff_is_asked(side: Side) -> None:
    worker = WorkerOptions(backoffs={"mine": 300, "now": 0, "never": -1})
    for kind in ("mine", "now", "never"):
        added = await side.add(attempts=3, backoff={"type": kind, "delay": 7})
        for _ in range(3):
            await side.process({"reason": "broken"}, worker=worker)
            if kind == "never":
                break
            await side.advance(600)
        assert "finishedOn" in (await side.content())[added]["value"]


async def unknown_backoff(side: Side) -> None:
    """BullMQ's worker reports an error and leaves the job active; ours ends it and says why."""
    await side.add(attempts=3, backoff={"type": "theirs", "delay": 5})
    await side.process({"reason": "broken"})
    content = await side.content()
    assert "active" not in content
    assert content["1"]["value"]["failedReason"].startswith("broken (not tried again: backoff type 'theirs'")


async def test_a_backoff_that_nobody_declared_ends_the_job(arena: Arena) -> None:
    assert await differ(unknown_backoff, arena)


async def retries_against_starts(side: Side) -> None:
    """As BullMQ 6: the last start that is allowed is the last attempt."""
    worker = WorkerOptions(max_started=2)
    await side.add(attempts=5)
    await side.process({"reason": "first"}, worker=worker)
    await side.process({"reason": "second"}, worker=worker)
    assert (await side.content())["1"]["value"]["failedReason"] == "second"
    assert "finishedOn" in (await side.content())["1"]["value"]


async def test_a_limit_of_starts_ends_retries(arena: Arena) -> None:
    if arena.generation == 5:  # checks before a run only
        assert await differ(retries_against_starts, arena)
    else:
        named = ItemTest(64, retries_against_starts.__doc__ or "", retries_against_starts)
        assert (await arena.compare(named)).unexpected == ()


@item(65, "Release: front of wait, waiting prev active, ats unchanged.")
async def test_item_65_a_released_job_is_next(side: Side) -> None:
    await side.add()
    await side.add()
    await side.fetch()
    await side.add()
    await side.release("1")
    content = await side.content()
    assert content["wait"]["value"] == ["3", "2", "1"]
    assert content["1"]["value"]["ats"] == "1"
    assert "1:lock" not in content
    assert content["events"]["value"][-1] == [["event", "waiting"], ["jobId", "1"], ["prev", "active"]]
    assert await side.refused(side.release("2")) == -2
    await side.fetch("second")
    assert await side.refused(side.release("1")) == -6


@item(65, "Release of a prioritized job: score = priority x 2^32 exactly.")
async def test_item_65_a_released_prioritized_job_is_next(side: Side) -> None:
    await side.add(priority=3)
    await side.add(priority=3)
    await side.fetch()
    await side.tamper("DEL", "marker")
    await side.release("1")
    assert (await side.content())["prioritized"]["value"] == {"1": 3 * PRIORITY_STEP, "2": 3 * PRIORITY_STEP + 2}
