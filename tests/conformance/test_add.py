"""Checklist: adding jobs (bullmq-protocol.md §2, items 1-19)."""

from __future__ import annotations

from typing import Any

from tests.conformance.arena import item
from tests.conformance.sides import START, UNDEFINED, Side

PRIORITY_STEP = 2**32  # §1.5
DELAYED_STEP = 4096


@item(1, "Add to an empty queue: wait, hash, id, marker and the events added, waiting.")
async def test_item_01_add_to_an_empty_queue(side: Side) -> None:
    assert await side.add("paint", {"colour": "red"}) == "1"
    content = await side.content()
    assert content["wait"]["value"] == ["1"]
    assert content["1"]["value"] == {
        "name": "paint",
        "data": '{"colour":"red"}',
        "opts": {},
        "timestamp": str(START),
        "delay": "0",
        "priority": "0",
    }
    assert content["id"]["value"] == "1"
    assert content["marker"]["value"] == {"0": 0}
    assert content["events"]["value"] == [
        [["event", "added"], ["jobId", "1"], ["name", "paint"]],
        [["event", "waiting"], ["jobId", "1"]],
    ]


@item(2, "Undefined data is `{}`; other data is the producer's JSON, byte for byte.")
async def test_item_02_data_is_stored_as_the_producer_wrote_it(side: Side) -> None:
    await side.add("paint", UNDEFINED)
    assert (await side.content())["1"]["value"]["data"] == "{}"
    data = {"deep": [1, {"ü/é": '日本 \u2028 "quoted" \\ \u0007', "none": None}], "big": 9007199254740991, "rate": 0.1}
    await side.add("paint", data)
    value: Any
    for value in (None, "text", 7, True, [], {}, [[]]):
        await side.add("paint", value)


@item(3, "Two adds: wait reads newest first from left to right.")
async def test_item_03_the_newest_job_is_at_the_left_of_wait(side: Side) -> None:
    await side.add()
    await side.add()
    assert (await side.content())["wait"]["value"] == ["2", "1"]


@item(4, "A lifo job is at the right end of wait and is fetched before older jobs.")
async def test_item_04_a_lifo_job_is_fetched_first(side: Side) -> None:
    await side.add()
    await side.add(lifo=True)
    assert (await side.content())["wait"]["value"] == ["1", "2"]
    assert (await side.fetch())["job"]["id"] == "2"


@item(5, "Priorities 3, 3, 1: scores are priority x 2^32 + counter; wait stays empty; marker 0.")
async def test_item_05_priorities_order_by_number_then_by_age(side: Side) -> None:
    for priority in (3, 3, 1):
        await side.add(priority=priority)
    content = await side.content()
    assert content["prioritized"]["value"] == {
        "1": 3 * PRIORITY_STEP + 1,
        "2": 3 * PRIORITY_STEP + 2,
        "3": 1 * PRIORITY_STEP + 3,
    }
    assert content["pc"]["value"] == "3"
    assert "wait" not in content


@item(6, "delay 5000: score, event and marker 1 carry the due time; no wait.")
async def test_item_06_a_delayed_job_is_due_at_timestamp_plus_delay(side: Side) -> None:
    await side.add(delay=5000)
    content = await side.content()
    assert content["delayed"]["value"] == {"1": (START + 5000) * DELAYED_STEP}
    assert content["marker"]["value"] == {"1": START + 5000}
    assert content["events"]["value"][-1] == [["event", "delayed"], ["jobId", "1"], ["delay", str(START + 5000)]]
    assert "wait" not in content
    await side.add(delay=1000, timestamp=START - 60_000)  # long due, by its own timestamp
    await side.add(timestamp=START - 60_000)


@item(7, "Three delayed jobs with equal due ms get the sequences 0, 1, 2.")
async def test_item_07_equal_due_times_are_ordered_by_sequence(side: Side) -> None:
    for _ in range(3):
        await side.add(delay=5000)
    scores = (await side.content())["delayed"]["value"]
    assert [score - (START + 5000) * DELAYED_STEP for score in scores.values()] == [0, 1, 2]
    await side.tamper("ZREM", "delayed", "2")
    await side.add(delay=5000)


@item(8, "delay with priority: in delayed, priority kept, pc untouched.")
async def test_item_08_a_delayed_job_keeps_its_priority(side: Side) -> None:
    await side.add(delay=5000, priority=4)
    content = await side.content()
    assert content["1"]["value"]["priority"] == "4"
    assert "prioritized" not in content
    assert "pc" not in content


@item(9, "A later add that is due earlier lowers the score of marker 1.")
async def test_item_09_the_marker_follows_the_earliest_due_job(side: Side) -> None:
    await side.add(delay=5000)
    await side.add(delay=9000)
    assert (await side.content())["marker"]["value"] == {"1": START + 5000}
    await side.add(delay=2000)
    assert (await side.content())["marker"]["value"] == {"1": START + 2000}


@item(10, "Custom id: hash under that id, opts.jobId, id counter incremented.")
async def test_item_10_a_custom_id_names_the_hash(side: Side) -> None:
    assert await side.add(jobId="invoice-7") == "invoice-7"
    content = await side.content()
    assert content["invoice-7"]["value"]["opts"]["jobId"] == "invoice-7"
    assert content["id"]["value"] == "1"
    assert await side.add() == "2"


@item(11, "Same custom id again: hash unchanged, one `duplicated` event, counter incremented, id returned.")
async def test_item_11_a_custom_id_is_added_once(side: Side) -> None:
    await side.add("paint", {"colour": "red"}, jobId="invoice-7")
    assert await side.add("mend", {"colour": "blue"}, jobId="invoice-7", delay=100) == "invoice-7"
    content = await side.content()
    assert content["invoice-7"]["value"]["data"] == '{"colour":"red"}'
    assert content["id"]["value"] == "2"
    assert content["events"]["value"][2:] == [[["event", "duplicated"], ["jobId", "invoice-7"]]]
    await side.fetch()
    await side.complete("invoice-7")
    await side.add("mend", jobId="invoice-7")


@item(12, "Ids 12, 0, 0:1, a:b are refused by the client; 012 accepted; an empty string gives an automatic id.")
async def test_item_12_ids_that_collide_are_refused(side: Side) -> None:
    for bad in ("12", "0", "0:1", "a:b"):
        await side.refused(side.add(jobId=bad))
    assert await side.add(jobId="012") == "012"
    assert await side.add(jobId="") == "2"


@item(13, "Priority 1.5 and 2097152 are refused; sizeLimit counts UTF-8 bytes of data.")
async def test_item_13_priorities_and_sizes_out_of_range_are_refused(side: Side) -> None:
    await side.refused(side.add(priority=1.5))
    await side.refused(side.add(priority=2_097_152))
    await side.add(priority=2_097_151)
    await side.refused(side.add("paint", "日本", sizeLimit=7))
    await side.add("paint", "日本", sizeLimit=8)


@item(15, "Paused queue: an add goes to `paused` without a marker, a prioritized one to prioritized.")
async def test_item_15_adds_to_a_paused_queue_wake_nobody(side: Side) -> None:
    await side.tamper("HSET", "meta", "paused", 1)
    await side.add()
    await side.add(lifo=True)
    await side.add(priority=2)
    assert "marker" not in await side.content()
    await side.add(delay=1000)
    assert (await side.content())["marker"]["value"] == {"1": START + 1000}


@item(16, "Global concurrency 1 with one active job: an add creates no marker 0.")
async def test_item_16_adds_to_a_maxed_queue_wake_nobody(side: Side) -> None:
    await side.tamper("HSET", "meta", "concurrency", 1)
    await side.add()
    assert (await side.fetch())["job"]["id"] == "1"
    await side.tamper("DEL", "marker")
    await side.add()
    await side.add(priority=1)
    assert "marker" not in await side.content()


@item(17, "A bulk of standard, delayed and prioritized jobs equals the single adds in order.")
async def test_item_17_a_bulk_equals_single_adds(side: Side) -> None:
    ids = await side.add_bulk(
        [
            {"name": "paint", "data": {"n": 1}},
            {"name": "paint", "data": {"n": 2}, "opts": {"delay": 1000}},
            {"name": "paint", "data": {"n": 3}, "opts": {"priority": 2}},
            {"name": "mend"},
            {"name": "paint", "opts": {"lifo": True}},
            {"name": "paint", "opts": {"lifo": True, "jobId": "invoice-7"}},
            {"name": "paint", "data": None, "opts": {"priority": 1}},
            {"name": "paint", "opts": {"delay": 500}},
            {"name": "paint", "opts": {"delay": 1000, "timestamp": START}},
            {"name": "paint", "opts": {"jobId": ""}},
        ]
    )
    assert ids == ["1", "2", "3", "4", "5", "invoice-7", "7", "8", "9", "10"]
    content = await side.content()
    assert content["wait"]["value"] == ["10", "4", "1", "5", "invoice-7"]
    assert content["marker"]["value"] == {"0": 0, "1": START + 500}
    assert (await side.fetch())["job"]["id"] == "invoice-7"
    await side.add_bulk([{"name": "late"}])


@item(17, "Only delayed jobs in a bulk: no marker 0; a paused queue gets its bulk into `paused`.")
async def test_item_17_a_bulk_wakes_nobody_for_what_cannot_start(side: Side) -> None:
    await side.add_bulk([{"name": "paint", "opts": {"delay": delay}} for delay in (3000, 1000, 2000)])
    assert (await side.content())["marker"]["value"] == {"1": START + 1000}


@item(17, "Custom ids in a bulk that exist, or come twice: added once, told as duplicates in their turn.")
async def test_item_17_a_bulk_adds_a_custom_id_once(side: Side) -> None:
    await side.add(jobId="old")
    ids = await side.add_bulk(
        [
            {"name": "paint", "data": 1, "opts": {"jobId": "new"}},
            {"name": "paint", "data": 2, "opts": {"jobId": "old"}},
            {"name": "paint", "data": 3, "opts": {"jobId": "new", "delay": 100}},
            {"name": "paint", "data": 4},
        ]
    )
    assert ids == ["new", "old", "new", "5"]


@item(15, "Paused queue: a bulk goes to `paused` and prioritized without a marker.")
async def test_item_15_a_bulk_to_a_paused_queue_wakes_nobody(side: Side) -> None:
    await side.tamper("HSET", "meta", "paused", 1)
    await side.add_bulk([{"name": "a"}, {"name": "b", "opts": {"priority": 3}}, {"name": "c", "opts": {"lifo": True}}])
    assert "marker" not in await side.content()


@item(
    20, "Deduplicated jobs in a bulk: those behind the owner are discarded in their turn, each mode as in single adds."
)
async def test_item_20_a_bulk_deduplicates_within_itself(side: Side) -> None:
    ids = await side.add_bulk(
        [
            {"name": "paint", "data": 1, "opts": {"deduplication": {"id": "wall"}}},
            {"name": "paint", "data": 2, "opts": {"deduplication": {"id": "wall"}}},
            {"name": "paint", "data": 3},
            {"name": "paint", "data": 4, "opts": {"deduplication": {"id": "door", "ttl": 5000}, "delay": 100}},
            {"name": "paint", "data": 5, "opts": {"deduplication": {"id": "door", "ttl": 5000, "extend": True}}},
        ]
    )
    assert ids == ["1", "1", "3", "4", "4"]


@item(23, "A delayed owner is replaced by a later job of the same bulk, delayed or not.")
async def test_item_23_a_bulk_replaces_an_owner_of_its_own(side: Side) -> None:
    debounced = {"deduplication": {"id": "wall", "ttl": 5000, "extend": True, "replace": True}}
    ids = await side.add_bulk(
        [
            {"name": "paint", "data": 1, "opts": {**debounced, "delay": 100}},
            {"name": "paint", "data": 2, "opts": {**debounced, "delay": 300}},
            {"name": "paint", "data": 3, "opts": debounced},
            {"name": "paint", "data": 4, "opts": debounced},
        ]
    )
    assert ids == ["1", "2", "3", "3"]


@item(18, "keepLogs and stackTraceLimit are stored as kl and stackTraceLimit; unknown options survive.")
async def test_item_18_options_are_stored_under_their_short_names(side: Side) -> None:
    await side.add(
        keepLogs=3,
        stackTraceLimit=2,
        attempts=4,
        backoff={"type": "exponential", "delay": 1000, "jitter": 0.5},
        removeOnComplete={"age": 60, "count": 2, "limit": 10},
        removeOnFail=False,
        sizeLimit=1000,
        lifo=False,
    )
    await side.add(backoff=250, removeOnComplete=True, removeOnFail=5, flavour={"own": [1, "a/b"]})
    await side.add(backoff=0, delay=0, priority=0, attempts=1)
