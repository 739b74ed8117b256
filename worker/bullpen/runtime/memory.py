"""How much memory there is for child processes, and who has more than its share.

Looked at from here instead of limited by the kernel: RLIMIT_AS and RLIMIT_DATA count what a program reserves, and
numeric libraries reserve gigabytes that they never touch. What counts for the container's limit is what is resident.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

# cgroup v2, as a container sees its own.
LIMIT_FILE: Final = Path("/sys/fs/cgroup/memory.max")
# The same of cgroup v1, as container runtimes mount it. Both have a line `oom_kill <number>`.
EVENT_FILES: Final = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))
# Of a container's memory, what its page cache and the kernel's own structures need.
RESERVE: Final = 0.1
# No program fills new pages faster; so a look that is due after (what is left of the cap) ÷ this cannot come too late.
FILL_BYTES_PER_SECOND: Final = 4 * 2**30
SHORTEST_SECONDS: Final = 0.002
LONGEST_SECONDS: Final = 0.1


class Capped(Protocol):
    """A process with a cap on its memory, in bytes."""

    @property
    def pid(self) -> int: ...
    @property
    def cap(self) -> int | None: ...
    def exceeded(self, used: int) -> None: ...


def resident_bytes(pid: int) -> int:
    """Memory in use; 0 where the kernel does not tell it, or of a process that is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def container_limit(file: Path = LIMIT_FILE) -> int | None:
    """The container's limit in bytes, None without one."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


class OomKills:
    """The processes of this container that the kernel has killed for want of memory.

    It counts one before the process is gone, so whoever has waited for a process finds it counted. Where the kernel
    kills the container as a whole (Kubernetes from 1.28 on, with cgroup v2), nobody is left to ask.
    """

    def __init__(self, files: Sequence[Path] = EVENT_FILES) -> None:
        self._files = files
        self._told = self._counted()

    def another(self) -> bool:
        """Whether there is one that was not told yet; False where the kernel does not say. Each is told once."""
        if self._counted() <= self._told:
            return False
        self._told += 1
        return True

    def _counted(self) -> int:
        for file in self._files:
            try:
                lines = file.read_text(encoding="ascii").splitlines()
            except OSError:
                continue
            counts = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
            return int(counts[0]) if counts else 0
        return 0


def share_of(limit: int | None, *, parent: int, processes: int) -> int | None:
    """What each of so many processes may have, so that all of them and the parent fit; None without a limit."""
    if limit is None:
        return None
    return max(1, int(limit * (1 - RESERVE) - parent) // processes)


class MemoryWatch:
    """A thread that looks at processes, the oftener the less there is left to the one that is nearest to its cap."""

    def __init__(self, processes: Callable[[], Collection[Capped]]) -> None:
        self._processes = processes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread, soon."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._look()):
            pass

    def _look(self) -> float:
        """Tell those that have too much; returns when to look again, in seconds."""
        least = FILL_BYTES_PER_SECOND
        for process in self._processes():
            cap = process.cap
            if cap is None:
                continue
            used = resident_bytes(process.pid)
            if used > cap:
                process.exceeded(used)
            else:
                least = min(least, cap - used)
        return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, least / FILL_BYTES_PER_SECOND))
