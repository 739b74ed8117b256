"""When a worker has lived long enough: so many jobs, so much memory, so old. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bullpen.durations import spoken

# Each process draws its own share of the limits, so that the pods of one pool, started together, do not go together.
LEAST_SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None = no such limit. `memory` in bytes of the process tree, `age` in seconds; `names`: what they are set by."""

    jobs: int | None = None
    memory: int | None = None
    age: float | None = None
    names: str = "MAX_"

    def share(self, part: float) -> Limits:
        """The limits of one process; `part` is from 0 to 1 and means a share from 80 % to 100 %."""
        share = LEAST_SHARE + (1 - LEAST_SHARE) * part
        return replace(
            self,
            jobs=None if self.jobs is None else max(1, round(self.jobs * share)),
            memory=None if self.memory is None else int(self.memory * share),
            age=None if self.age is None else self.age * share,
        )

    def reached(self, *, jobs: int, memory: int, age: float) -> str | None:
        """Why this process should go, for a log line; None while it may stay."""
        if self.jobs is not None and jobs >= self.jobs:
            return f"{jobs:,} jobs done (this process' share of {self.names}JOBS is {self.jobs:,})"
        if self.memory is not None and memory >= self.memory:
            used, limit = memory / 2**20, self.memory / 2**20
            return f"{used:,.0f} MiB of memory in use (this process' share of {self.names}MEMORY is {limit:,.0f} MiB)"
        if self.age is not None and age >= self.age:
            return f"{spoken(age)} old (this process' share of {self.names}AGE is {spoken(self.age)})"
        return None
