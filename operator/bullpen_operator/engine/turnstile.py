"""How many pools write at once, and who is next.

A thousand pools that are made at once would otherwise all write at once, wait for one another until their time is up,
and begin again: the API server works for nobody. Whoever finds no place has decided nothing yet, and decides when there
is one, on what is then seen: what waited for long would no longer be true when it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES: Final = 12
"""Of the sixteen requests that the cluster port has under way at once: numbers of pods and Events find some free."""
URGENT_PLACES: Final = 32
"""For numbers of pods; those beyond the cluster port's wait in it for the answer to one request."""


class Turnstile:
    """Counts the writes under way, and keeps the uids of pools that wait, in the order in which they came."""

    def __init__(self) -> None:
        self._under_way = 0
        self._waiting: dict[str, None] = {}

    def open(self, *, urgent: bool = False) -> bool:
        """Whether another pool may write now."""
        return self._under_way < (URGENT_PLACES if urgent else PLACES)

    def enter(self) -> None:
        self._under_way += 1

    def leave(self) -> None:
        self._under_way -= 1

    def wait(self, uid: str) -> None:
        """The pool is to have its turn when there is a place; one that waits already keeps its own."""
        self._waiting.setdefault(uid)

    def forget(self, uid: str) -> None:
        self._waiting.pop(uid, None)

    def next(self) -> Iterator[str]:
        """Who has waited for longest, as long as there are places; a few at a time, since turns take time too."""
        for _ in range(PLACES):
            if not self._waiting or not self.open():
                return
            uid = next(iter(self._waiting))
            del self._waiting[uid]
            yield uid
