"""What the demo shows while it runs: a table that redraws in a terminal, a line a change when piped."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bullpen_operator.scaling.observation import QueueReading

COLUMNS = ("TIME", "READY", "DESIRED", "WAITING", "ACTIVE", "DONE", "OLDEST", "REASON")
KEPT_DECISIONS = 12
QUIET_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Frame:
    """The pool at one moment; `oldest` in seconds, `at` in seconds since the demo added its jobs."""

    at: float
    ready: int
    desired: int
    waiting: int
    active: int
    done: int
    oldest: float | None
    reason: str
    decision: str

    @classmethod
    def of(cls, pool: dict[str, Any], reading: QueueReading, *, since: float, before: int) -> Frame:
        """From the WorkerPool and a reading of its queue; `before` is how many jobs had been completed at the start."""
        status = pool.get("status", {})
        decision = status.get("decision", {})
        return cls(
            at=reading.at - since,
            ready=status.get("readyReplicas", 0),
            desired=status.get("desiredReplicas", 0),
            waiting=reading.waiting,
            active=reading.active,
            done=reading.completed - before,
            oldest=reading.oldest_wait_seconds,
            reason=decision.get("reason", "-"),
            decision=decision.get("message", ""),
        )

    def cells(self) -> tuple[str, ...]:
        oldest = "-" if self.oldest is None else f"{self.oldest:.0f}s"
        counts = (self.ready, self.desired, self.waiting, self.active, self.done)
        return (f"{self.at:.0f}s", *map(str, counts), oldest, self.reason)


class Board:
    """Takes frames; decides what of them is worth showing."""

    def __init__(self, console: Console, *, total: int, live: Live | None) -> None:
        self._console = console
        self._total = total
        self._live = live
        self._decisions: list[str] = []
        self._shown: Frame | None = None
        self._shown_at = 0.0

    def show(self, frame: Frame) -> None:
        decided = frame.decision and (self._shown is None or frame.decision != self._shown.decision)
        if decided:
            self._decisions.append(f"{frame.at:4.0f}s  {frame.decision}")
        if self._live is not None:
            self._live.update(self._draw(frame))
            self._shown = frame
        elif decided or self._moved(frame) or time.monotonic() - self._shown_at > QUIET_SECONDS:
            self._print(frame, decided=bool(decided))
            self._shown, self._shown_at = frame, time.monotonic()

    def _moved(self, frame: Frame) -> bool:
        shown = self._shown
        return shown is None or (frame.ready, frame.desired, frame.reason) != (
            shown.ready,
            shown.desired,
            shown.reason,
        )

    def _print(self, frame: Frame, *, decided: bool) -> None:
        if self._shown is None:
            self._console.print(_line(COLUMNS), highlight=False)
        self._console.print(_line(frame.cells()), highlight=False)
        if decided:
            self._console.print(f"      decided: {frame.decision}", highlight=False, soft_wrap=True)

    def _draw(self, frame: Frame) -> Group:
        table = Table(*COLUMNS, box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
        table.add_row(*frame.cells())
        bar = ProgressBar(total=self._total, completed=frame.done, width=60)
        decisions = Text("\n".join(self._decisions[-KEPT_DECISIONS:]), style="dim")
        return Group(table, bar, Text("decisions", style="bold"), decisions)


def _line(cells: tuple[str, ...]) -> str:
    return "".join(cell.ljust(10) for cell in cells).rstrip()


@contextmanager
def board(*, total: int) -> Iterator[Board]:
    """A board for as long as the block lasts: live where standard output is a terminal."""
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        yield Board(console, total=total, live=None)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield Board(console, total=total, live=live)
