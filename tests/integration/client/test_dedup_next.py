"""A next job (`dn`) that no client of ours would store: the finish of its owner does not fail over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bullpen.protocol import Deduplication
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
