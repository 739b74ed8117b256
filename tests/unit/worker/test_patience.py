from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from bullpen.runtime.handler import describe
from bullpen.runtime.patience import patience


def running(*timeouts: float | None) -> list[Any]:
    handler = describe(lambda data: None, name="x", run="thread", retry=None)
    return [SimpleNamespace(handler=replace(handler, timeout=each)) for each in timeouts]


def test_a_blocked_loop_may_take_as_long_as_its_longest_job_and_five_minutes_at_least() -> None:
    assert patience([]) == 300
    assert patience(running(None, 20.0)) == 300
    assert patience(running(None, 20.0, 1200.0)) == 1200
    nobody: list[Any] = [SimpleNamespace(handler=None)]
    assert patience(nobody) == 300
