"""When schedules run and what their jobs carry: pure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen.errors import ConfigurationError, ProtocolError
from bullpen.protocol import JobOptions, JobRecord, QueueKeys
from bullpen.protocol.calls import schedules
from bullpen.protocol.cron import Cron
from bullpen.protocol.options import Backoff
from bullpen.protocol.schedule import Repeat, Template, next_run, options_head

NOW = 1_800_000_000_000  # a full five minutes
MINUTE = 60_000
KEYS = QueueKeys("bull", "things")


def iteration(repeat: Any, **options: Any) -> JobRecord:
    opts = json.dumps({"repeat": repeat, "repeatJobKey": "tick", "jobId": "x", "timestamp": 1, "delay": 5, **options})
    return JobRecord(id="repeat:tick:1", fields={b"name": b"n", b"rjk": b"tick", b"opts": opts.encode()})


ENDINGS: dict[str, tuple[dict[str, Any], bool]] = {
    "an-interval-goes-on": ({"every": MINUTE, "count": 7}, True),
    "below-its-limit": ({"every": MINUTE, "count": 1, "limit": 2}, True),
    "at-its-limit": ({"every": MINUTE, "count": 2, "limit": 2}, False),
    "at-its-end": ({"every": MINUTE, "count": 1, "endDate": NOW}, True),
    "after-its-end": ({"every": MINUTE, "count": 1, "endDate": NOW - 1}, False),
    "a-pattern-goes-on": ({"pattern": "*/5 * * * *", "count": 1}, True),
    "a-pattern-whose-next-run-is-after-its-end": (
        {"pattern": "*/5 * * * *", "count": 1, "endDate": NOW + MINUTE},
        False,
    ),
}


@pytest.mark.parametrize(("repeat", "goes_on"), ENDINGS.values(), ids=ENDINGS)
def test_a_schedule_ends_at_its_limit_and_at_its_end(repeat: dict[str, Any], goes_on: bool) -> None:
    assert (next_run(iteration(repeat), NOW) is not None) is goes_on


def test_a_pattern_goes_on_from_its_own_run_when_that_is_later_than_now() -> None:
    planned = next_run(iteration({"pattern": "*/5 * * * *", "count": 3}, prevMillis=NOW + 5 * MINUTE), NOW)
    assert planned is not None
    assert planned.run == NOW + 10 * MINUTE
    assert planned.repeat == {"pattern": "*/5 * * * *", "count": 4}


def test_the_next_run_hands_on_the_template_and_nothing_of_the_run_itself() -> None:
    planned = next_run(iteration({"every": MINUTE, "count": 1}, attempts=3, backoff=500, kept={"a": []}), NOW)
    assert planned is not None
    head = options_head(planned.options, scheduler_id=planned.scheduler_id, repeat=planned.repeat, now=NOW)
    assert json.loads(head + '"}') == {
        "attempts": 3,
        "backoff": {"type": "fixed", "delay": 500},
        "kept": {"a": []},
        "repeat": {"every": MINUTE, "count": 2},
        "repeatJobKey": "tick",
        "timestamp": NOW,
        "jobId": "repeat:tick:",
    }


def test_a_job_of_no_scheduler_plans_nothing() -> None:
    assert schedules.plan_next(KEYS, job=JobRecord(id="1", fields={b"name": b"n"}), now=NOW) is None


@pytest.mark.parametrize("repeat", [None, 5, {}, {"every": 1, "pattern": "* * * * *"}, {"every": "1"}, {"every": True}])
def test_options_that_say_no_schedule_are_told(repeat: object) -> None:
    with pytest.raises(ProtocolError, match="repeat:tick:1"):
        next_run(iteration(repeat), NOW)


@given(st.text(min_size=1).filter(lambda text: ":" not in text and text.isprintable()))
def test_the_head_of_the_options_is_json_whatever_the_id(scheduler_id: str) -> None:
    options = JobOptions(attempts=2, backoff=Backoff("fixed", 5))
    head = options_head(options, scheduler_id=scheduler_id, repeat={"every": 1}, now=NOW)
    assert json.loads(head + '7"}')["jobId"] == f"repeat:{scheduler_id}:7"


@given(st.integers(1_400_000_000_000, 2_200_000_000_000), st.sampled_from(["Europe/Berlin", "Asia/Beirut", "UTC"]))
def test_runs_come_later_and_later(moment: int, zone: str) -> None:
    for pattern in ("*/7 * * * *", "30 2 * * *", "* * * * * *", "0 0 L * *", "0 0-23/3 * * mon"):
        first = Cron(pattern, zone).after(moment)
        second = Cron(pattern, zone).after(first)
        assert moment < first < second
        # Nothing is between two runs: asked at any moment before the first, the answer is the first. Not so for a run
        # that was moved out of a missing hour: as in Node, it is seen from before that hour only.
        if zone == "UTC":
            assert Cron(pattern, zone).after(first - 1) == first


def test_a_pattern_that_has_ended_before_it_begins_is_refused() -> None:
    repeat = Repeat(pattern="0 0 1 1 *", end=NOW + MINUTE)
    with pytest.raises(ConfigurationError, match="is after its end"):
        repeat.first(NOW)


@pytest.mark.parametrize(
    "options",
    [JobOptions(job_id="a"), JobOptions(delay=5), JobOptions(timestamp=5), JobOptions(extra={"parent": {"id": "1"}})],
    ids=["id", "delay", "timestamp", "parent"],
)
def test_options_of_single_jobs_are_refused_in_a_template(options: JobOptions) -> None:
    with pytest.raises(ConfigurationError, match="cannot have"):
        Template("tick", "{}", options)


def test_entries_of_old_clients_are_no_schedulers() -> None:
    call = schedules.schedulers(KEYS)
    record = [b"name", b"new", b"ic", b"3", b"every", b"1000", b"offset", b"0"]
    found = call.parse([[[b"old", b"5", [b"name", b"x"]], [b"new", b"7", record]], 2])
    assert [each.id for each in found.page] == ["new"]
    assert found.count == 2


def test_a_damaged_record_is_told_by_its_scheduler() -> None:
    record = [b"name", b"new", b"ic", b"3", b"every", b"often"]
    with pytest.raises(ProtocolError, match="bull:things:repeat:new"):
        schedules.schedulers(KEYS).parse([[[b"new", b"7", record]], 1])


@pytest.mark.parametrize("moment", [10**15, 10**20, -(10**20), 253_402_300_000_000])
def test_a_moment_beyond_all_calendars_is_refused(moment: int) -> None:
    with pytest.raises(ConfigurationError, match="has no"):
        Cron("0 0 29 2 *", "Europe/Berlin").after(moment)
