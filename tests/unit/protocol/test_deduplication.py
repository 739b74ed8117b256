from __future__ import annotations

import json
from typing import Any

import pytest

from bullpen.errors import ConfigurationError
from bullpen.protocol import Deduplication, JobOptions, QueueKeys
from bullpen.protocol.calls.add import add
from bullpen.protocol.calls.dedup import dedup_owner, remove_dedup_key

KEYS = QueueKeys("bull", "videos")


@pytest.mark.parametrize(
    ("deduplication", "stored"),
    [
        pytest.param(Deduplication("a"), {"id": "a"}, id="simple"),
        pytest.param(Deduplication("a", ttl=5000), {"id": "a", "ttl": 5000}, id="throttle"),
        pytest.param(
            Deduplication("a", ttl=5000, extend=True, replace=True),
            {"id": "a", "ttl": 5000, "extend": True, "replace": True},
            id="debounce",
        ),
        pytest.param(Deduplication("a", keep_last=True), {"id": "a", "keepLastIfActive": True}, id="keep the last"),
        pytest.param(Deduplication("a", reschedule=True), {"id": "a", "reschedule": True}, id="reschedule"),
    ],
)
def test_modes_are_stored_under_node_s_names(deduplication: Deduplication, stored: dict[str, Any]) -> None:
    assert json.loads(JobOptions(deduplication=deduplication).dump())["de"] == stored
    assert Deduplication.parse(stored) == deduplication


@pytest.mark.parametrize("stored", [5, [], {}, {"id": 7}, {"id": "a", "ttl": "soon"}, {"id": "a", "ttl": float("nan")}])
def test_what_cannot_be_read_stays_as_it_is(stored: object) -> None:
    """A job of a foreign client still ends by its other options."""
    options = JobOptions.parse(json.dumps({"attempts": 3, "de": stored}))
    assert (options.attempts, options.deduplication) == (3, None)
    assert json.loads(options.dump())["de"] == pytest.approx(stored, nan_ok=True)


@pytest.mark.parametrize(
    ("deduplication", "complaint"),
    [
        pytest.param(Deduplication(""), "deduplication id is empty: give a text", id="no id"),
        pytest.param(Deduplication("a", ttl=0), "ttl of deduplication id 'a' is 0: give whole ms, 1 to", id="zero"),
        pytest.param(Deduplication("a", ttl=-5), "is -5", id="negative"),
        pytest.param(Deduplication("a", ttl=1.5), "is 1.5", id="a fraction"),  # type: ignore[arg-type]
        pytest.param(Deduplication("a", ttl=True), "is True", id="a bool"),
        pytest.param(Deduplication("a", ttl=2**60), "is 1152921504606846976", id="longer than Redis counts"),
        pytest.param(Deduplication(7), "deduplication id is 7", id="a number"),  # type: ignore[arg-type]
    ],
)
def test_what_no_client_may_write_is_refused(deduplication: Deduplication, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        add(KEYS, name="render", data="{}", now=1, options=JobOptions(deduplication=deduplication))


def test_a_job_with_a_parent_is_not_deduplicated() -> None:
    parent = {"parent": {"id": "7", "queue": "bull:films"}}
    options = JobOptions(deduplication=Deduplication("a"), extra=parent)
    with pytest.raises(ConfigurationError, match="job has a parent and the deduplication id 'a'"):
        add(KEYS, name="render", data="{}", now=1, options=options)


def test_calls_on_an_id() -> None:
    assert dedup_owner(KEYS, dedup_id="a").command == ("GET", "bull:videos:de:a")
    assert dedup_owner(KEYS, dedup_id="a").parse(None) is None
    assert remove_dedup_key(KEYS, dedup_id="a").command == ("DEL", "bull:videos:de:a")
    with pytest.raises(ConfigurationError):
        remove_dedup_key(KEYS, dedup_id="")
