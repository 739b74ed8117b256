"""How values are shown, and rates from events."""

from __future__ import annotations

import pytest

from bullpen.cli.output import Column, ago, clean, plain_table, plural, rate, shown
from bullpen.cli.rates import measured
from bullpen.cli.tail import line
from bullpen.protocol.events import Event


def event(at_ms: int, kind: str) -> Event:
    return Event(id=f"{at_ms}-0", kind=kind, fields={})


def test_rates_are_those_of_the_window() -> None:
    found = [event(59_000, "completed"), event(30_000, "completed"), event(10_000, "failed"), event(9_000, "added")]
    rates = measured(found, now_ms=60_000, window=60.0)
    assert (rates.added, rates.completed, rates.failed, rates.seconds) == (1 / 60, 2 / 60, 1 / 60, 60.0)


def test_events_that_fill_the_answer_are_the_window() -> None:
    found = [event(60_000 - 10 * n, "completed") for n in range(100)]
    rates = measured(found, now_ms=60_000, window=60.0, most=100)
    assert (rates.completed, rates.seconds) == (100 / 0.99, 0.99)


def test_a_queue_without_events_has_none() -> None:
    assert measured([], now_ms=60_000, window=60.0).completed == 0


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Zoë 7 [red]", "Zoë 7 [red]"),
        ("\x1b[2J\x07\x9b", "\\x1b[2J\\x07\\x9b"),
        ("two\nlines", "two\\nlines"),
        ("\u202ereversed", "\\u202ereversed"),
        ("\ud800", "\\ud800"),
    ],
)
def test_a_terminal_gets_nothing_to_obey(text: str, seen: str) -> None:
    assert clean(text) == seen


def test_values_for_people() -> None:
    assert [shown(value) for value in (None, "", "a", 0, {"a": [1]})] == ["-", "-", "a", "0", '{"a":[1]}']
    assert [rate(value) for value in (0, 0.5, 12.34)] == ["0", "30.0/min", "12.3/s"]
    assert [ago(value, now_ms=100_000) for value in (None, 40_000, 105_000)] == ["-", "1m 00s ago", "in 5s"]
    assert [plural(1), plural(1200), plural(2, "failed job")] == ["1 job", "1,200 jobs", "2 failed jobs"]


def test_tables_in_a_pipe_are_aligned_and_whole() -> None:
    columns = (Column("a", "A"), Column("n", "NUMBER", right=True))
    assert plain_table(columns, [["x" * 200, "1"], ["y", "12"]]) == [
        "A" + " " * 199 + "  NUMBER",
        "x" * 200 + "       1",
        "y" + " " * 199 + "      12",
    ]


def test_an_event_is_one_line() -> None:
    shown_line = line(Event(id="0-0", kind="failed", fields={"jobId": "1", "failedReason": "a\nb"}))
    assert shown_line.endswith("failed           1  failedReason=a b")
