"""How many more jobs may be claimed now."""

from __future__ import annotations


class Slots:
    """Counts of one queue's jobs: those that run, and those asked for whose reply is still on its way."""

    __slots__ = ("claiming", "running", "stuck", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self.running = 0
        self.claiming = 0
        self.stuck = 0

    @property
    def free(self) -> int:
        """Jobs that may be asked for; never more, so that a batch claim starves no other worker."""
        return self.total - self.running - self.claiming

    def ask(self, limit: int) -> int:
        """Reserve up to `limit` free slots for a claim; returns how many."""
        asked = min(self.free, limit)
        self.claiming += asked
        return asked

    def answered(self, *, asked: int, got: int) -> None:
        """The reply of a claim is here: what it did not bring is free again."""
        # In this order: the thread that reads both finds a claimed job in one of them.
        self.running += got
        self.claiming -= asked

    def leave(self) -> None:
        """A job is over."""
        self.running -= 1

    def stick(self) -> None:
        """A job is over, but not what it does: its slot stays taken."""
        self.stuck += 1

    def unstick(self) -> None:
        """It has come to its end after all."""
        self.stuck -= 1
        self.running -= 1

    def rejoin(self) -> None:
        """A job that was over is not: for a moment there may be one more than `total`."""
        self.running += 1
