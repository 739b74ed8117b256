"""Events: said once, counted when repeated, and kept to a trickle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bullpen_operator.api.reasons import Reason
from bullpen_operator.cluster.port import ClusterError
from bullpen_operator.cluster.recorder import BURST, REFILL_SECONDS, SERIES_SECONDS, Notice, Recorder
from tests.unit.operator.facts import NOW
from tests.unit.operator.fake_cluster import FakeCluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def notice(note: str = "0 → 1: 1 waiting", *, uid: str = "uid-1", reason: Reason = Reason.SCALED_UP) -> Notice:
    return Notice(namespace="media", name="video", uid=uid, reason=reason, note=note, warning=False, action="Scale")


class Desk:
    """A recorder at work, and what it has posted."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.recorder = Recorder(self.cluster, instance="operator-0")

    async def record(self, *notices: Notice, at: float = NOW) -> None:
        for each in notices:
            self.recorder.record(each, now=at)
        async with asyncio.timeout(10):
            while self.recorder.busy:  # noqa: ASYNC110 - it has no event for it, nobody else waits
                await asyncio.sleep(0)

    @property
    def notes(self) -> list[str]:
        return [event["note"] for event in self.cluster.events.values()]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(made.recorder.run())
        yield made
        task.cancel()


async def test_an_event_says_what_the_api_wants_to_know(desk: Desk) -> None:
    await desk.record(notice())
    (event,) = desk.cluster.events.values()
    assert event["regarding"] == {
        "apiVersion": "bullpen.dev/v1alpha1",
        "kind": "WorkerPool",
        "namespace": "media",
        "name": "video",
        "uid": "uid-1",
    }
    assert (event["reason"], event["type"], event["note"]) == ("ScaledUp", "Normal", "0 → 1: 1 waiting")
    assert event["eventTime"] == "2027-01-15T08:00:00.000000Z", "a MicroTime without a fraction is refused"
    assert event["reportingInstance"] == "operator-0"


async def test_the_same_again_is_counted_not_posted(desk: Desk) -> None:
    await desk.record(notice(), notice(), notice())
    (event,) = desk.cluster.events.values()
    assert event["series"]["count"] == 3


async def test_the_same_long_after_is_an_event_of_its_own(desk: Desk) -> None:
    await desk.record(notice())
    await desk.record(notice(), at=NOW + SERIES_SECONDS + 1)
    assert len(desk.cluster.events) == 2


async def test_another_sentence_or_another_pool_is_another_event(desk: Desk) -> None:
    await desk.record(notice("a"), notice("b"), notice("a", uid="uid-2"))
    assert desk.notes == ["a", "b", "a"]


async def test_a_series_whose_event_expired_is_told_anew(desk: Desk) -> None:
    await desk.record(notice())
    desk.cluster.events.clear()
    await desk.record(notice())
    assert len(desk.cluster.events) == 1


async def test_a_flood_is_cut_to_the_burst_and_refills(desk: Desk) -> None:
    await desk.record(*(notice(str(number)) for number in range(100)))
    assert len(desk.cluster.events) == BURST
    await desk.record(notice("later"), notice("too soon"), at=NOW + REFILL_SECONDS)
    assert desk.notes[BURST:] == ["later"]


async def test_a_flood_of_one_pool_leaves_the_others_their_events(desk: Desk) -> None:
    await desk.record(*(notice(str(number)) for number in range(100)), notice("mine", uid="uid-2"))
    assert "mine" in desk.notes


async def test_a_refusal_costs_that_event_only(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.cluster.refusals["event"] = [ClusterError(status=403, reason="Forbidden", message="may not create events")]
    await desk.record(notice("lost"), notice("kept"))
    assert desk.notes == ["kept"]
    assert "may not create events" in caplog.text


@pytest.mark.parametrize("note", ["x" * 2000, "→" * 2000], ids=["ascii", "three bytes each"])
async def test_a_long_note_is_cut_to_what_the_api_takes(desk: Desk, note: str) -> None:
    await desk.record(notice(note))
    assert len(desk.notes[0].encode()) <= 1024
    assert desk.notes[0].endswith("…")


async def test_a_forgotten_pool_starts_with_a_full_budget(desk: Desk) -> None:
    await desk.record(*(notice(str(number)) for number in range(100)))
    desk.recorder.forget("uid-1")
    await desk.record(notice("again"))
    assert desk.notes[-1] == "again"


async def test_a_forgotten_pool_is_not_told_of_any_more() -> None:
    cluster = FakeCluster()
    recorder = Recorder(cluster, instance="operator-0")
    recorder.record(notice("mine"), now=NOW)
    recorder.record(notice("another's", uid="uid-2"), now=NOW)
    recorder.forget("uid-1")
    task = asyncio.create_task(recorder.run())
    async with asyncio.timeout(10):
        while recorder.busy:  # noqa: ASYNC110 - it has no event for it, nobody else waits
            await asyncio.sleep(0)
    task.cancel()
    assert [event["note"] for event in cluster.events.values()] == ["another's"]
