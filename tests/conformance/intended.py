"""Where we differ from a BullMQ generation on purpose: the column "ours" of bullmq-protocol.md §12, as data.

A row covers differences of one kind, in the named items of the checklist only. `test_intended.py` fails when a row is
not needed any more. The same rows are told in prose in docs/bullmq-compatibility.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.conformance.compare import ABSENT, Difference


@dataclass(frozen=True, slots=True)
class Intended:
    """One intended difference: from which generations, in which items of §13, of which kind, and why."""

    topic: str
    generations: frozenset[int]
    items: frozenset[int]
    covers: Callable[[Difference], bool]
    reason: str


def _paused_list(difference: Difference) -> bool:
    """`paused` exists on our side only, with what BullMQ keeps in `wait`."""
    match difference.path:
        case ("paused",):
            return difference.theirs is ABSENT
        case ("wait",):
            return difference.ours is ABSENT
        case _:
            return False


def _paused_count(difference: Difference) -> bool:
    return difference.path in {("reply", "paused"), ("reply", "waiting")}


def _kept_by_resume(difference: Difference) -> bool:
    """Jobs that only our resume keeps in `wait`."""
    return difference.path == ("wait", "value") and difference.theirs is ABSENT


def _run_of_a_scheduler(difference: Difference) -> bool:
    """We keep the next run of a scheduler, where BullMQ keeps the id of a job that it has deleted."""
    if difference.path != ("wait", "value") or difference.ours is ABSENT:
        return False
    return all(job_id.startswith("repeat:") for job_id in difference.ours)


def _removed_from_paused(difference: Difference) -> bool:
    """The event of a removal names the list in which the job of a paused queue was."""
    if difference.path != ("events", "value"):
        return False
    events = [dict(entry) for entry in difference.added_or_removed()]
    return sorted((event["event"], event.get("prev")) for event in events) == [
        ("removed", "paused"),
        ("removed", "wait"),
    ]


def _by_priority(difference: Difference) -> bool:
    """A job that BullMQ puts into `wait` is in `prioritized` on our side."""
    match difference.path:
        case ("wait",):
            return difference.ours is ABSENT
        case ("prioritized", *_):
            return difference.theirs is ABSENT
        case path:
            return path == ("pc", "value")


def _told_parent(difference: Difference) -> bool:
    """Only BullMQ's parent still has the child's end, only ours waits for the child."""
    if difference.path[0].endswith(":dependencies"):
        return difference.theirs is ABSENT
    return difference.path[0].endswith((":processed", ":failed", ":unsuccessful")) and difference.ours is ABSENT


def _wait_is_left(difference: Difference) -> bool:
    """BullMQ alone still has the list `wait` and the hashes of its jobs."""
    return difference.ours is ABSENT and (difference.path == ("wait",) or difference.path[0].isdigit())


def _marker(difference: Difference) -> bool:
    return difference.path == ("marker",) and difference.theirs is ABSENT


def _parent_released_later(difference: Difference) -> bool:
    """What the release of a parent changes in its queue, and nothing else there."""
    match difference.path:
        case ("events", "value"):
            released = {"event": "waiting", "prev": "waiting-children"}
            return all(released.items() <= dict(entry).items() for entry in difference.added_or_removed())
        case ("marker" | "wait" | "waiting-children", *_):
            return True
        case _:
            return False


def _linked_anew(difference: Difference) -> bool:
    """The parent of the child that lost its own one, and that parent's dependencies."""
    match difference.path:
        case (_, "value", "parentKey") | (_, "value", "parent", "id"):
            return True
        case (name,):
            return name.endswith(":dependencies") and difference.theirs is ABSENT
        case _:
            return False


def _next_iteration_noted(difference: Difference) -> bool:
    """The running job says which one is next."""
    return difference.path[-1] == "nrjid" and difference.ours is ABSENT


def _running_jobs_data(difference: Difference) -> bool:
    """Data in the record, and from there in the next job, that were the running job's."""
    match difference.path:
        case ("repeat:tick", "value", "data"):
            return difference.ours is ABSENT
        case (name, "value", "data"):
            return name.startswith("repeat:tick:") and difference.ours == "{}"
        case _:
            return False


def _kept_as_it_was(difference: Difference) -> bool:
    """The job that has the id keeps its record and its one place in the queue."""
    match difference.path:
        case ("own", "value", *_):
            return True
        case ("de:d",):
            return difference.ours is ABSENT
        case ("wait", "value"):
            return difference.theirs == ["own"] and difference.ours is ABSENT
        case ("events", "value"):
            return bool(difference.ours == [[["event", "duplicated"], ["jobId", "own"]]])
        case _:
            return False


def _debounced(difference: Difference) -> bool:
    match difference:
        case Difference(path=("events", "value"), theirs=theirs, ours=list(ours)):
            return theirs is ABSENT and all(event[0] == ["event", "debounced"] for event in ours)
        case _:
            return False


INTENDED: Final = (
    Intended(
        topic="paused jobs",
        generations=frozenset({6}),
        items=frozenset({15, 36, 88, 89, 90, 92, 93, 94}),
        covers=_paused_list,
        reason="v5 resumes by renaming `paused` over `wait`: only jobs in `paused` survive that, so we write as v5",
    ),
    Intended(
        topic="counts",
        generations=frozenset({6}),
        items=frozenset({94}),
        covers=_paused_count,
        reason="jobs in `paused`, which v6 does not count at all, are told apart from waiting ones, as v5 does",
    ),
    Intended(
        topic="resume",
        generations=frozenset({5}),
        items=frozenset({88}),
        covers=_kept_by_resume,
        reason="v5 renames `paused` over `wait` and loses what v6 clients added to it; we put both together, as v6",
    ),
    Intended(
        topic="drain and schedulers",
        generations=frozenset({5, 6}),
        items=frozenset({92}),
        covers=_run_of_a_scheduler,
        reason="BullMQ trims `wait` by the number of deleted jobs, so that a schedule may end; we remove by id",
    ),
    Intended(
        topic="removal from a paused queue",
        generations=frozenset({6}),
        items=frozenset({92}),
        covers=_removed_from_paused,
        reason="the event names the list the job was in, and jobs of a paused queue are in `paused` as in v5",
    ),
    Intended(
        topic="retry of a finished job with a priority",
        generations=frozenset({5}),
        items=frozenset({90}),
        covers=_by_priority,
        reason="v5 forgets the priority of a job that is retried by hand, v6 does not",
    ),
    Intended(
        topic="bulk retry of children",
        generations=frozenset({5}),
        items=frozenset({90}),
        covers=_told_parent,
        reason="v5 leaves the old result with the parent, which does not wait for the child that runs again",
    ),
    Intended(
        topic="obliterate",
        generations=frozenset({5}),
        items=frozenset({93}),
        covers=_wait_is_left,
        reason="v5 leaves what is in `wait` of a paused queue, where v6 keeps its jobs, in a queue that is no more",
    ),
    Intended(
        topic="release of a prioritized job (§6.3)",
        generations=frozenset({5, 6}),
        items=frozenset({65}),
        covers=_marker,
        reason="BullMQ puts no marker, so that an idle worker may sleep through the job; we wake one up",
    ),
    Intended(
        topic="flow parent release",
        generations=frozenset({5}),
        items=frozenset({71}),
        covers=_parent_released_later,
        reason="v5 may start a parent before its later children are added; we release at the end, as v6",
    ),
    Intended(
        topic="dead parent on duplicate id",
        generations=frozenset({5}),
        items=frozenset({19}),
        covers=_linked_anew,
        reason="v5 leaves a job with a parent that is gone; we give it the new one, as v6",
    ),
    Intended(
        topic="next iteration on the running job (`nrjid`)",
        generations=frozenset({5}),
        items=frozenset({70, 83, 84, 85, 86, 87}),
        covers=_next_iteration_noted,
        reason="v6 does not write it and nothing needs it: the id follows from the scheduler's next run",
    ),
    Intended(
        topic="scheduler data fallback",
        generations=frozenset({5}),
        items=frozenset({85}),
        covers=_running_jobs_data,
        reason="v5 takes the running job's data for a scheduler without data, which makes a change by a job permanent",
    ),
    Intended(
        topic="a next job whose id was taken meanwhile",
        generations=frozenset({5, 6}),
        items=frozenset({27}),
        covers=_kept_as_it_was,
        reason="BullMQ writes over the job that got the id, and queues the id twice: it is a duplicate, as in any add",
    ),
    Intended(
        topic="`debounced` event",
        generations=frozenset({6}),
        items=frozenset({20, 21, 22, 23, 24, 26, 27, 28}),
        covers=_debounced,
        reason="listeners of v5 may know deduplicated jobs by this event; we emit it before `deduplicated`, as v5 does",
    ),
)
