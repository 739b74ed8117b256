"""What people mistype: one line on standard error, nothing on standard output, no traceback, and the exit code."""

from __future__ import annotations

import pytest

from tests.integration.cli.conftest import Command

NOWHERE = "redis://:secret-word@127.0.0.1:1/0"  # where nothing listens

# The arguments, the exit code, and what the line must say.
TABLE: list[tuple[tuple[str, ...], int, str]] = [
    (("nonsense",), 2, "No such command 'nonsense'"),
    (("inspect", "--nonsense"), 2, "No such option"),
    (("inspect", "a", "b", "c"), 2, "unexpected extra argument"),
    (("inspect", "--state", "failed"), 2, "name it"),
    (("inspect", "q", "1", "--state", "failed"), 2, "leave one of them out"),
    (("inspect", "q", "--state", "broken"), 2, "'broken' is not one of"),
    (("inspect", "q", "--limit", "0"), 2, "0 is not in the range"),
    (("inspect", "q", "--limit", "many"), 2, "'many' is not a valid integer"),
    (("inspect", "nope"), 1, "no queue 'nope' under prefix 'bull': there are q"),
    (("inspect", "a:b"), 2, "queue name 'a:b' contains ':'"),
    (("inspect", "--prefix", ""), 2, "queue prefix is empty"),
    (("inspect", "--redis", "localhost"), 2, "has no scheme"),
    (("inspect", "--redis", "http://x"), 2, "redis://"),
    (("inspect", "--redis", NOWHERE), 1, "cannot reach Redis at redis://127.0.0.1:"),
    (("inspect", "--redis", "redis://127.0.0.1:1/0"), 1, "cannot reach Redis"),
    (("inspect", "q", "99"), 1, "job 99 does not exist"),
    (("inspect", "q", ""), 2, "job id is ''"),
    (("inspect", "--app", "nowhere:app"), 2, "there is no module 'nowhere'"),
    (("tail", "q", "--from", "yesterday"), 2, "must be the id of an event"),
    (("tail",), 2, "Missing argument 'QUEUE'"),
    (("top", "--interval", "0"), 2, "0 is not in the range"),
    (("top", "a:b"), 2, "contains ':'"),
    (("workers", "nope"), 1, "no queue 'nope'"),
    (("add", "q"), 2, "Missing argument 'NAME'"),
    (("add", "q", ""), 2, "job name"),
    (("add", "q", "x", "{user: 7}"), 2, "DATA is no JSON"),
    (("add", "q", "x", "NaN"), 2, "NaN is no JSON number"),
    (("add", "q", "x", "[" * 100_000), 2, "nested too deeply"),
    (("add", "q", "x", "1e999"), 2, "inf is no JSON number"),
    (("add", "q", "x", "12345678901234567890"), 2, "beyond 2^53"),
    (("add", "q", "x", "{}", "--data-file", "/dev/null"), 2, "given twice"),
    (("add", "q", "x", "--data-file", "/nowhere"), 2, "No such file"),
    (("add", "q", "x", "--delay", "soon"), 2, "delay: 'soon' is no duration"),
    (("add", "q", "x", "--backoff", "sometimes"), 2, "backoff='sometimes'): unknown"),
    (("add", "q", "x", "--backoff", "fixed:soon"), 2, "'soon' is no duration"),
    (("add", "q", "x", "--job-id", "1"), 2, "job id"),
    (("add", "q", "x", "--job-id", "a", "--count", "2"), 2, "leave --count out"),
    (("add", "q", "x", "--timeout", "1s"), 2, "give both"),
    (("add", "q", "x", "--wait", "--timeout", "long"), 2, "'long' is no duration"),
    (("retry", "q"), 2, "name jobs, or all of a state"),
    (("retry", "q", "1", "--failed"), 2, "one of both"),
    (("retry", "q", "--failed", "--reset-attempts"), 2, "for named jobs"),
    (("retry", "q", "1"), 1, "job 1 is not failed"),
    (("promote", "q"), 2, "name jobs, or all"),
    (("promote", "q", "1"), 1, "job 1 is not delayed"),
    (("remove", "q"), 2, "Missing argument 'JOB...'"),
    (("pause",), 2, "Missing argument 'QUEUE...'"),
    (("clean", "q", "waiting-children"), 2, "'waiting-children' is not one of"),
    (("clean", "q", "failed", "--older-than", "a week"), 2, "--older-than: 'a week' is no duration"),
    (("clean", "q", "failed", "--limit", "-1"), 2, "-1 is not in the range"),
    (("obliterate", "q"), 2, "say --yes"),
    (("schedules", "remove", "q", "nope"), 1, "q has no schedule 'nope'"),
    (("schedules", "drop"), 2, "No such command 'drop'"),
    (("completion", "powershell"), 2, "'powershell' is not one of"),
    (("schema",), 2, "no app named"),
    (("serve", "house_app:app", "--burst", "--reload"), 2, "give one of them"),
    (("serve", "house_app:app", "--queue", "nope"), 2, "--queue=nope"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "text"), TABLE, ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else ""
)
def test_a_mistake_is_one_line(bullpen: Command, arguments: tuple[str, ...], code: int, text: str) -> None:
    bullpen("add", "q", "x").ok()
    said = bullpen(*arguments)
    assert (said.code, said.out, len(said.err.splitlines())) == (code, "", 1), said.err
    assert said.err.startswith("bullpen: ")
    assert text in said.err
    assert "secret-word" not in said.err
