"""How much of it is done: the short form unless the environment says more (`make reliability` does)."""

from __future__ import annotations

import os


def count(name: str, short: int) -> int:
    """`RELIABILITY_<name>`, else the short form's number."""
    return int(os.environ.get(f"RELIABILITY_{name}") or short)


KILLS = count("KILLS", 10)
RESTARTS = count("RESTARTS", 8)
REDIS_RESTARTS = count("REDIS_RESTARTS", 2)
# Of each kind: a master that is killed, and one that must go though it is well.
FAILOVERS = count("FAILOVERS", 1)
PAUSES = count("PAUSES", 1)
PAUSE_SECONDS = count("PAUSE_SECONDS", 10)
# A lock holds for 30 s, and a job that runs for longer is renewed at least twice.
LONG_SECONDS = count("LONG_SECONDS", 35)
RATE = count("RATE", 100)
# Of one test, in seconds.
TIMEOUT = count("TIMEOUT", 170)
