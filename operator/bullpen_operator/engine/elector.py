"""Who leads: the rules of one replica, pure. Times are seconds on its own clock, which nobody sets; nothing is compared
between the clocks of two machines.

Never two at once: a renewal that the API server took is good for `renew` seconds from before it was *sent*. Whoever
wants the Lease waits `duration` seconds, longer than that, from when it first *saw* that renewal, which is later, and
then replaces exactly the version it saw: if the holder has renewed since, the API server refuses (409).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bullpen_operator.cluster.lease import Bid

if TYPE_CHECKING:
    from bullpen_operator.cluster.lease import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds. `retry` is also the longest that one request to the API server may take."""

    duration: int = 10
    renew: float = 6.0
    every: float = 2.0
    """How often the holder renews, as long as it succeeds."""
    retry: float = 1.0


@dataclass(frozen=True, slots=True)
class Read:
    """Ask for the Lease: what is known of it is not the present state."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until then. `listen`: unless something becomes of the Lease."""

    until: float
    listen: bool = False


class Elector:
    """Says what to do next, and is told what came of it. `identity` must be this process's alone."""

    def __init__(self, *, identity: str, timing: Timing) -> None:
        self.identity = identity
        self.timing = timing
        self.leads = False
        """Holds the Lease, or did until nobody knows when; only before `valid_until` it may act."""
        self.lost = False
        """Led, and somebody else has the Lease now: for good."""
        self.rewound = False
        """The Lease came back at an older version: etcd was restored. Who tells of it takes this back."""
        self.valid_until = -math.inf
        self._lease: Lease | None = None
        self._since = math.nan  # when this lease, or its absence, was first seen
        self._free = False
        self._doubt = True
        self._next_at = -math.inf

    @property
    def informed(self) -> bool:
        """Whether the API server has ever said who holds the Lease."""
        return not math.isnan(self._since)

    @property
    def lease(self) -> Lease | None:
        """The Lease as last seen."""
        return self._lease

    def next(self, now: float) -> Read | Bid | Wait:
        """What to do. After a Bid or a Read, one of the methods below is to be called."""
        if now < self._next_at:
            return Wait(self._next_at)
        if self._doubt:
            return Read()
        if self.leads:
            return self._bid(self.identity)
        open_at = self._open_at()
        if now >= open_at:
            return self._bid(self.identity)
        return Wait(open_at, listen=True) if self._lease is not None else Wait(min(open_at, now + self.timing.retry))

    def see(self, lease: Lease | None, *, now: float) -> None:
        """The API server said, at `now` or before, that this is the Lease; None: there is none."""
        rewound = lease is not None and self._lease is not None and int(lease.version) < int(self._lease.version)
        self.rewound = self.rewound or rewound
        if not self.informed or lease != self._lease:
            # The first one to come may make it; who saw it vanish cannot know whether its holder has noticed, nor can
            # who sees a time come back in which nobody held it.
            self._free = lease.holder == "" and not rewound if lease is not None else not self.informed
            self._lease, self._since = lease, now
        self._doubt = False
        mine = lease is not None and lease.holder == self.identity
        if self.leads and not mine:
            self.lost, self.leads, self.valid_until = True, False, -math.inf
        elif mine and not self.lost:
            # Also the bid whose answer was lost. How old it is nobody knows: it is renewed before it counts.
            self.leads = True

    def accepted(self, lease: Lease, *, sent_at: float) -> None:
        """A bid, sent at `sent_at`, was taken, and this is the Lease now."""
        self.see(lease, now=sent_at)
        if self.leads:
            self.valid_until = max(self.valid_until, sent_at + self.timing.renew)
            self._next_at = sent_at + self.timing.every

    def doubt(self) -> None:
        """What is known is outdated: a bid was refused, or nobody has listened for a while."""
        self._doubt = True

    def unanswered(self, *, since: float) -> None:
        """A bid or a read sent at `since` has no answer, or the watch has ended: try again, not too soon."""
        self._next_at = since + self.timing.retry
        # The holder repeats its renewal: if the lost one was taken, the next is refused, and tells.
        self._doubt = self._doubt or not self.leads

    def resign(self) -> Bid | None:
        """Stop acting; the bid that gives the Lease up, None without one."""
        self.valid_until = -math.inf
        return self._bid("") if self.leads else None

    def _open_at(self) -> float:
        if self._free:
            return -math.inf
        theirs = self._lease.duration if self._lease is not None else 0.0
        return self._since + max(self.timing.duration, theirs)

    def _bid(self, holder: str) -> Bid:
        lease = self._lease
        mine = lease is not None and lease.holder == self.identity
        transitions = 0 if lease is None else lease.transitions
        return Bid(
            version="" if lease is None else lease.version,
            holder=holder,
            duration=self.timing.duration if holder else 1,
            transitions=transitions if mine else transitions + 1,
            acquired=lease.acquired if lease is not None and mine else None,
        )
