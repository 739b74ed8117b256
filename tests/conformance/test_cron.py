"""Cron patterns mean what they mean to Node (bullmq-protocol.md §8.2), also on the days on which clocks are changed."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from bullpen.errors import ConfigurationError
from bullpen.protocol.cron import Cron
from tests.conformance.cron_patterns import Case, cases
from tests.conformance.node_side import NODE_DIRECTORY

SEED, PATTERNS, RUNS = 5, 550, 3
Answer = dict[str, list[int] | str]

# What Node does with words that a generator hardly finds.
WORDINGS: Final = (
    "0 0 13 * 5",
    "0 0 */2 * 1",
    "0 0 1 * */2",
    "0 0 ? * MON-FRI",
    "0 0 1 * ?",
    "0 0 L 2 *",
    "0 0 1 * 5L",
    "0 0 * * FRIL",
    "0 0 * * 5L,1",
    "0 0 * * fri#5",
    "0 0 * * 7",
    "0 0 * * 5-7",
    "0 0 29 2 *",
    "0 0 31 * *",
    "5/15 * * * *",
    "*/61 * * * *",
    "3-3/2 * * * *",
    "*/15,3 * * * *",
    "01 02 03 04 05",
    "0  0 * * * ",
    "*/7 * * * * *",
    "59 59 23 31 12 *",
    "@yearly",
    "@monthly",
    "@weekly",
    "@daily",
    "@hourly",
)


def node(wanted: list[Case], *, runs: int) -> list[Answer]:
    """Ask both of Node's parsers, in one process."""
    asked = json.dumps({"runs": runs, "cases": wanted})
    done = subprocess.run(
        ["node", "cron.mjs"], cwd=NODE_DIRECTORY, input=asked, capture_output=True, text=True, check=True, timeout=100
    )
    answers: list[Answer] = json.loads(done.stdout)
    return answers


def ours(pattern: str, zone: str, moment: int, *, runs: int) -> list[int]:
    found = [moment]
    for _ in range(runs):
        found.append(Cron(pattern, zone).after(found[-1]))
    return found[1:]


def at(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def test_generated_patterns_run_when_they_do_in_node() -> None:
    wanted = cases(SEED, PATTERNS)
    assert len({pattern for pattern, _, _ in wanted}) >= 500
    wrong, alike = [], 0
    for case, answer in zip(wanted, node(wanted, runs=RUNS), strict=True):
        mine = ours(*case, runs=RUNS)
        alike += answer["4"] == answer["5"]
        # Where the two disagree, which they do about changed clocks only, there is no Node to be equal to.
        if mine not in (answer["4"], answer["5"]):
            wrong.append((case, answer, mine))
    assert not wrong
    assert alike > 0.95 * len(wanted)


def test_unusual_wordings_mean_the_same() -> None:
    wanted = [(pattern, "Europe/Berlin", at("2026-03-28T12:13:14", "Europe/Berlin")) for pattern in WORDINGS]
    answers = node(wanted, runs=RUNS)
    assert {case[0]: ours(*case, runs=RUNS) for case in wanted} == {
        case[0]: answer["5"] for case, answer in zip(wanted, answers, strict=True)
    }


CHANGES: Final = {
    "a-missing-hour-runs-an-hour-later": ("30 2 * * *", "Europe/Berlin", "2026-03-29T00:00", "2026-03-29T03:30"),
    "a-missing-midnight-is-left-out": ("0 0 * * *", "Asia/Beirut", "2026-03-28T12:00", "2026-03-30T00:00"),
    "a-missing-half-hour-is-left-out": ("0 2 * * *", "Australia/Lord_Howe", "2025-10-05T01:00", "2025-10-06T02:00"),
}


@pytest.mark.parametrize(("pattern", "zone", "base", "expected"), CHANGES.values(), ids=CHANGES)
def test_times_the_clock_jumps_over(pattern: str, zone: str, base: str, expected: str) -> None:
    case = (pattern, zone, at(base, zone))
    assert ours(*case, runs=1) == [at(expected, zone)]
    assert ours(*case, runs=3) in node([case], runs=3)[0].values()


def test_an_hour_that_comes_twice_runs_twice_only_for_patterns_of_every_hour() -> None:
    twice = at("2026-10-25T01:59", "Europe/Berlin")
    half = at("2026-10-25T02:30", "Europe/Berlin")
    assert ours("30 * * * *", "Europe/Berlin", twice, runs=2) == [half, half + 3_600_000]
    assert ours("30 2 * * *", "Europe/Berlin", twice, runs=2) == [half, at("2026-10-26T02:30", "Europe/Berlin")]


REFUSED: Final = {
    "minute '60'": "60 * * * *",
    "hour '24'": "0 24 * * *",
    "day of month '0'": "0 0 0 * *",
    "month 'january'": "0 0 * january *",
    "day of week '5#6'": "0 0 * * 5#6",
    "day of week '5#2,1'": "0 0 * * 5#2,1",
    "day of week 'fri-mon'": "0 0 * * fri-mon",
    "day of month 'LW'": "0 0 LW * *",
    "day of month '1W'": "0 0 1W * *",
    "minute 'H'": "H * * * *",
    "second '60'": "60 * * * * *",
    "minute '*/0'": "*/0 * * * *",
    "minute '1,'": "1, * * * *",
    "has a day of month '30'": "0 0 30 2 *",
    "has 4 fields": "* * * *",
    "has 7 fields": "0 0 0 1 1 * 2030",
    "give five fields": "",
}


@pytest.mark.parametrize(("told", "pattern"), REFUSED.items(), ids=REFUSED)
def test_what_is_not_understood_is_refused_by_pattern_and_field(told: str, pattern: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Cron(pattern)
    assert repr(pattern) in str(refusal.value)
    assert told in str(refusal.value)


@pytest.mark.parametrize("zone", ["Europe/Berlinn", "", "../etc/passwd", "Europe"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ConfigurationError, match="is unknown: use an IANA name"):
        Cron("0 0 * * *", zone)
