"""What a job's attempt died of: our own field of the job hash, which BullMQ ignores."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

FIELD: Final = "bp:cause"


class Cause(StrEnum):
    """Written in the same atomic step as the failure, the retry, or the count of a lost worker."""

    ERROR = "error"
    """Its function raised, or ended its process by itself."""
    TIMEOUT = "timeout"
    """It ran longer than its `timeout`."""
    OOM = "oom"
    """It passed the memory it may have."""
    SIGNAL = "signal"
    """A signal killed its process."""
    LOST = "lost"
    """Its worker died, or stopped renewing its lock."""
