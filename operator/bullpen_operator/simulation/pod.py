"""A simulated pod."""

from __future__ import annotations

STARTING, OPEN, DRAINING, ENDING, GONE = range(5)


class Pod:
    """One pod; `running` holds its jobs and when each started."""

    __slots__ = ("asked_at", "name", "place", "running", "state")

    def __init__(self, name: int, asked_at: float) -> None:
        self.name = name
        self.asked_at = asked_at
        self.state = STARTING
        self.place = -1
        self.running: dict[int, float] = {}
