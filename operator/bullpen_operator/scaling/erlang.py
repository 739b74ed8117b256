"""Queues with many servers: how probable a wait is, and how many servers keep it rare."""

from __future__ import annotations

import math
from typing import Final

_EXACT_UP_TO: Final = 500.0
"""Erlangs; above, Halfin and Whitt's limit is within a few tenths of a per cent of servers."""


def waiting_probability(servers: int, load: float) -> float:
    """Erlang's C formula: the probability that a job finds all servers busy; `load` in Erlangs.

    Built on the recursion of Erlang's B, 1/B(n) = 1 + n/load · 1/B(n−1), whose terms never overflow the way powers and
    factorials do (Cooper, Introduction to Queueing Theory, §3.6); C = B / (1 − ρ(1 − B)).
    """
    if load <= 0:
        return 0.0
    if servers <= load:
        return 1.0
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def servers_for(load: float, *, waits: float, budget: float, most: int) -> int:
    """The fewest servers of which a share ≤ `waits` of jobs waits longer than `budget`, at most `most`.

    `budget` is in service times. In M/M/n a wait exceeds t with probability C(n, load) · exp(−(n − load) · t)
    (Kleinrock, Queueing Systems I, §3.5); scaling.md §4, n2.
    """
    if load <= 0 or most <= 0:
        return 0
    if load >= most:
        return most
    if load > _EXACT_UP_TO:
        return min(most, _by_limit(load, waits, budget))
    blocked, n = 1.0, 0
    while n < most:
        n += 1
        blocked = load * blocked / (n + load * blocked)
        if n > load:
            probability = blocked / (1 - load / n * (1 - blocked))
            if probability * math.exp(-(n - load) * budget) <= waits:
                return n
    return most


def _by_limit(load: float, waits: float, budget: float) -> int:
    """Halfin and Whitt (1981): with n = load + β·√load, C → 1 / (1 + β·Φ(β)/φ(β)); bisected over β."""
    root = math.sqrt(load)
    low, high = 0.0, 10.0
    for _ in range(40):
        beta = (low + high) / 2
        density = math.exp(-beta * beta / 2) / math.sqrt(2 * math.pi)
        below = 0.5 * (1 + math.erf(beta / math.sqrt(2)))
        probability = 1.0 if density == 0 and beta == 0 else density / (density + beta * below)
        if probability * math.exp(-beta * root * budget) > waits:
            low = beta
        else:
            high = beta
    return math.ceil(load + high * root)
