"""Deduplication keys that no client of ours would write: jobs still end, and adds say which key it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bullpen.errors import ProtocolError
from bullpen.protocol import Deduplication, KeepJobs
from tests.integration.client.desk import completed

if TYPE_CHECKING:
    from tests.integration.client.desk import Desk


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param({"name": "render"}, id="a name alone"),
        pytest.param({"name": "render", "data": "{}", "opts": "{oops"}, id="options that are no JSON"),
        pytest.param({"name": "render", "data": "{}", "opts": "7"}, id="options that are no object"),
        pytest.param({"name": "render", "data": "{}", "opts": '{"de":{"id":"film","ttl":0.5}}'}, id="a ttl under 1 ms"),
        pytest.param({"name": "render", "data": "{}", "opts": '{"de":{"id":"film","ttl":1e300}}'}, id="a ttl for ever"),
        pytest.param({"name": "render", "data": "{}", "opts": '{"de":7,"delay":"x"}'}, id="a delay that is none"),
    ],
)
async def test_a_foreign_next_job_is_stored_as_well_as_can_be(desk: Desk, stored: dict[str, str]) -> None:
    owner = await desk.add(deduplication=Deduplication("film", keep_last=True))
    desk.raw.hset(desk.keys.dedup_next("film"), mapping=stored)
    claimed = await desk.claim_one()
    assert (await desk.finish(completed(claimed)))[0] == 0
    assert (owner, desk.list("wait")) == ("1", ["2"])
    assert desk.job("2")["name"] == "render"
    assert desk.raw.get(desk.keys.dedup("film")) == "2"
    assert not desk.raw.exists(desk.keys.dedup_next("film"))


async def test_keys_of_another_type_hinder_no_finish(desk: Desk) -> None:
    for keep in (KeepJobs(), KeepJobs(count=0)):
        await desk.add(deduplication=Deduplication("film"))
        for key in (desk.keys.dedup("film"), desk.keys.dedup_next("film")):
            desk.raw.delete(key)
            desk.raw.rpush(key, "x")
        claimed = await desk.claim_one()
        assert (await desk.finish(completed(claimed, keep=keep)))[0] == 0
        assert desk.list("active") == []
        desk.raw.delete(desk.keys.dedup("film"))


async def test_an_add_names_the_key_of_another_type_and_writes_nothing(desk: Desk) -> None:
    desk.raw.rpush(desk.keys.dedup("film"), "x")
    before = desk.fingerprint()
    with pytest.raises(ProtocolError, match="bull:videos:de:film is a list, where a string belongs"):
        await desk.add(deduplication=Deduplication("film"))
    assert desk.fingerprint() == before


@pytest.mark.parametrize("running", [False, True], ids=["waiting", "running"])
async def test_a_next_job_whose_id_was_taken_meanwhile_is_a_duplicate(desk: Desk, *, running: bool) -> None:
    dedup = Deduplication("film", keep_last=True)
    await desk.add(deduplication=dedup)
    owner = await desk.claim_one()
    await desk.add("late", '{"n":1}', deduplication=dedup, job_id="own")
    await desk.add("early", '{"n":2}', job_id="own")
    if running:
        await desk.claim_one()
    desk.events()
    assert await desk.finish(completed(owner)) == [0]
    assert desk.events()[0] == "duplicated jobId=own"
    assert desk.job("own")["data"] == '{"n":2}'
    assert desk.list("active" if running else "wait") == ["own"]
    assert not desk.raw.exists(desk.keys.dedup("film"), desk.keys.dedup_next("film"))
    assert await desk.add(deduplication=dedup) == "5"
