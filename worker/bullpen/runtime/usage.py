"""CPU time and memory of this process and all that it has started, as the operator and `/metrics` want them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import psutil

from bullpen.runtime.memory import resident_bytes

# Finding one's descendants reads every process of the machine: some milliseconds.
FAMILY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Used:
    """`cpu`: seconds of CPU time since the start; `rss`: resident bytes, shared pages counted for each process."""

    cpu: float
    rss: int
    processes: int


class Usage:
    """Reads the process tree; one thread at a time."""

    def __init__(self) -> None:
        self._own = psutil.Process()
        self._children: list[psutil.Process] = []
        self._looked_at = float("-inf")
        self._most = 0.0

    def read(self) -> Used:
        """Now; a child process younger than five seconds may be missing."""
        now = time.monotonic()
        if now - self._looked_at >= FAMILY_SECONDS:
            self._looked_at = now
            self._children = self._own.children(recursive=True)
        times = os.times()
        # Children that have ended and been waited for are in the parent's own account.
        cpu = times.user + times.system + times.children_user + times.children_system
        rss, alive = resident_bytes(self._own.pid), 1
        for child in self._children:
            try:
                spent = child.cpu_times()
                cpu += spent.user + spent.system
                rss += resident_bytes(child.pid)
                alive += 1
            except psutil.Error:
                continue  # ended meanwhile
        # Between a child's end and its parent's wait its time is in neither account: a counter must not go back.
        self._most = max(self._most, cpu)
        return Used(self._most, rss, alive)
