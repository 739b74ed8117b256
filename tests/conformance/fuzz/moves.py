"""Random sequences of operations, as data: which operation, on which of the jobs so far, with which arguments.

A move names a job by its place among those added so far, never by its id, so that a sequence makes sense on any side
and hypothesis can shorten it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

LONGEST: Final = 60
SHORTEST: Final = 5
# Redis counts these by its own clock, which runs while the injected one stands: none may end by itself.
EXPIRIES: Final = (100_000, 600_000)


@dataclass(frozen=True, slots=True)
class Move:
    """One operation; `job` is taken modulo the number of jobs that it can be about."""

    operation: str
    job: int = 0
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.operation}(#{self.job}{', ' if said else ''}{said})"


def _move(operation: str, **arguments: SearchStrategy[Any]) -> SearchStrategy[Move]:
    return st.builds(Move, st.just(operation), st.integers(0, 9), st.fixed_dictionaries(arguments))


def _optional(**choices: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=choices)


_keep: Final = st.one_of(
    st.booleans(),
    st.integers(1, 3),
    st.fixed_dictionaries({"age": st.integers(0, 5)}, optional={"count": st.integers(1, 3)}),
)
_backoff: Final = st.fixed_dictionaries(
    {"type": st.sampled_from(["fixed", "exponential"]), "delay": st.sampled_from([0, 10, 1000])},
    optional={"jitter": st.sampled_from([0.0, 0.5, 1.0])},
)
_dedup: Final = st.fixed_dictionaries(
    {"id": st.sampled_from(["x", "y"])},
    optional={
        "ttl": st.sampled_from(EXPIRIES),
        "extend": st.just(True),
        "replace": st.just(True),
        "keepLastIfActive": st.just(True),
    },
)
_options: Final = _optional(
    attempts=st.integers(0, 4),
    backoff=_backoff,
    delay=st.sampled_from([1, 20, 1000, 60_000]),
    priority=st.sampled_from([1, 2, 5, 2_097_151]),
    lifo=st.booleans(),
    jobId=st.sampled_from(["a", "b", "ü"]),
    removeOnComplete=_keep,
    removeOnFail=_keep,
    stackTraceLimit=st.integers(0, 2),
    keepLogs=st.integers(1, 2),
)
_values: Final[SearchStrategy[Any]] = st.one_of(
    st.none(), st.integers(-5, 5), st.sampled_from(["", "ü", "a b"]), st.just([]), st.just({"k": 1})
)
_flags: Final = st.sampled_from(
    [
        {},
        {"failParentOnFailure": True},
        {"continueParentOnFailure": True},
        {"ignoreDependencyOnFailure": True},
        {"removeDependencyOnFailure": True},
    ]
)
_repeat: Final[SearchStrategy[dict[str, Any]]] = st.one_of(
    st.fixed_dictionaries({"every": st.sampled_from([1000, 60_000])}, optional={"limit": st.integers(1, 3)}),
    st.fixed_dictionaries({"pattern": st.sampled_from(["* * * * *", "*/5 * * * *"])}),
)
_states: Final = st.sampled_from(["completed", "failed"])
_cleaned: Final = st.sampled_from(["completed", "failed", "wait", "delayed", "prioritized", "active", "paused"])
_bulk: Final = st.lists(st.tuples(_options, st.one_of(st.none(), _dedup)), min_size=1, max_size=6)

# How often each is made. Most jobs have to live through starts and ends; what empties or stops a queue is rare.
_WEIGHED: Final = (
    (12, _move("add", opts=_options, data=_values)),
    (6, _move("add_deduplicated", opts=_options, deduplication=_dedup)),
    (4, _move("add_bulk", jobs=_bulk)),
    (
        6,
        _move(
            "add_flow", parent=_optional(priority=st.just(3), delay=st.just(500)), flags=st.lists(_flags, max_size=3)
        ),
    ),
    (30, _move("fetch")),
    (16, _move("complete", value=_values, fetch_next=st.booleans())),
    (10, _move("fail", unrecoverable=st.booleans())),
    (8, _move("advance", ms=st.sampled_from([1, 19, 1000, 5000]))),
    (1, _move("advance", ms=st.just(700_000))),
    (2, _move("delay", ms=st.sampled_from([0, 5, 5000]))),
    (3, _move("release")),
    (2, _move("extend")),
    (1, _move("stall")),
    (2, _move("progress", value=_values)),
    (2, _move("log", row=st.sampled_from(["one", "zwei ü"]), keep=st.sampled_from([None, 1, 2]))),
    (1, _move("update_data", data=_values)),
    (2, _move("leave_parent")),
    (2, _move("schedule", scheduler_id=st.sampled_from(["s", "t"]), repeat=_repeat)),
    (1, _move("unschedule", scheduler_id=st.sampled_from(["s", "t"]))),
    (2, _move("pause")),
    (4, _move("resume")),
    (4, _move("promote")),
    (3, _move("change_delay", delay=st.sampled_from([0, 7, 3000]))),
    (4, _move("change_priority", priority=st.sampled_from([0, 1, 9]), lifo=st.booleans())),
    (5, _move("retry", state=_states)),
    (4, _move("remove")),
    (2, _move("clean", grace=st.sampled_from([0, 1000]), limit=st.sampled_from([0, 1, 5]), state=_cleaned)),
    (1, _move("drain", delayed=st.booleans())),
    (1, _move("obliterate", force=st.just(False))),
    (1, _move("set_concurrency", concurrency=st.sampled_from([2, 50]))),
    (1, _move("set_rate_limit", max=st.sampled_from([2, 1000]), duration=st.sampled_from(EXPIRIES))),
    (2, _move("retry_jobs", state=_states)),
    (1, _move("promote_jobs")),
)


def sequences() -> SearchStrategy[list[Move]]:
    """Sequences in which most moves are a producer's and a worker's, and some change queues under their hands."""
    moves = st.sampled_from([move for weight, move in _WEIGHED for _ in range(weight)]).flatmap(lambda move: move)
    # Lists of hypothesis' own choosing are mostly short; the long ones are where states meet.
    return st.integers(SHORTEST, LONGEST).flatmap(lambda length: st.lists(moves, min_size=length, max_size=length))
