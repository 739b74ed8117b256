"""Which pools are this operator's: all of them, as long as one leader is enough.

The seam for the day when it is not: shards with a Lease each, which divide the pools by their uids.
"""

from __future__ import annotations

from typing import Final, Protocol


class Shard(Protocol):
    """A part of the pools; the parts of all operators together are all pools, and no two of them overlap."""

    def owns(self, uid: str) -> bool:
        """Whether the pool of this uid gets its turns here; the same answer at any time."""


class Whole:
    """All pools."""

    def owns(self, uid: str) -> bool:
        return True


WHOLE: Final[Shard] = Whole()
