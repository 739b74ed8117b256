"""A pool explained in words: what it sees, what it decided, what limits it, what it waits for. Pure."""

from __future__ import annotations

import textwrap
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bullpen.cli.output import plural
from bullpen.durations import spoken
from bullpen_operator.api.reasons import ConditionType, Reason
from bullpen_operator.cli.waiting import BY_HAND, awaited

if TYPE_CHECKING:
    from collections.abc import Iterator

Raw = dict[str, Any]

_UNSEEN: Final = "the operator: it has not written a status yet. Does it run, and watch this namespace?"
_WIDTH: Final = 110
_INDENT: Final = 11
GOOD: Final = {
    ConditionType.READY: "True",
    ConditionType.RECONCILING: "False",
    ConditionType.STALLED: "False",
    ConditionType.QUEUE_REACHABLE: "True",
    ConditionType.QUEUE_FOUND: "True",
    ConditionType.SCALING_ACTIVE: "True",
    ConditionType.OBJECTIVE_MET: "True",
    ConditionType.WORKERS_AVAILABLE: "True",
    ConditionType.QUEUE_SHARED: "False",
}
"""What a condition says when nothing is to be told of it. Those that are not here tell what `limited` and the headline
tell, and a quota.
"""
_GOING_ON: Final = BY_HAND | {Reason.PODS_STARTING, Reason.NOT_READ}


def full_name(pool: Raw) -> str:
    """namespace/name."""
    return f"{pool['metadata']['namespace']}/{pool['metadata']['name']}"


def epoch(time: str) -> float:
    """RFC 3339 as seconds since the epoch."""
    return datetime.fromisoformat(time).timestamp()


def past(time: str | None, now: float) -> str:
    """How long ago that was."""
    return "" if time is None else f"{spoken(max(now - epoch(time), 0))} ago"


def described(pool: Raw, *, now: float) -> str:
    """A headline and a paragraph for each question."""
    status: Raw = pool.get("status") or {}
    lines = [headline(pool)]
    if not status:
        return f"{lines[0]}\n\n{_paragraph('Waits for', _UNSEEN)}"
    for title, text in (
        ("Promises", promise(pool)),
        ("Sees", sees(status, now)),
        ("Learned", learned(status)),
        ("Decided", decided(status, now)),
        ("Limited by", limited(pool)),
        ("Waits for", "; ".join(waits_for(pool)) or "nothing"),
    ):
        if text:
            lines.append(_paragraph(title, text))
    lines += [_paragraph("Trouble", text) for text in troubles(pool, now)]
    return "\n".join([lines[0], "", *lines[1:]])


def _paragraph(title: str, text: str) -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=title.ljust(_INDENT), subsequent_indent=" " * _INDENT, break_long_words=False
    )


def headline(pool: Raw) -> str:
    """Which pods run for which queue."""
    spec, status = pool.get("spec") or {}, pool.get("status") or {}
    ready, desired = status.get("readyReplicas", 0), status.get("desiredReplicas", 0)
    running = f"{ready} of {plural(desired, 'pod')} ready" if desired or ready else "no pod"
    extra = [
        f"{status[field]} {what}"
        for field, what in (("busyReplicas", "busy"), ("drainingReplicas", "draining"))
        if status.get(field)
    ]
    return f"{full_name(pool)}: {', '.join([running, *extra])}, for the queue {spec.get('queue', '?')}"


def promise(pool: Raw) -> str:
    """What the pool is sized to keep, and between which bounds."""
    spec = pool.get("spec") or {}
    scaling = spec.get("scaling") or {}
    objective = scaling.get("waitObjective") or {}
    least, most = scaling.get("minReplicas", "?"), scaling.get("maxReplicas", "?")
    return (
        f"{objective.get('percentile', '?')} % of the jobs start within {objective.get('seconds', '?')} s, "
        f"with {least} to {most} pods of {plural(int(spec.get('concurrency') or 0))} each"
    )


def sees(status: Raw, now: float) -> str:
    """The queue as last written to the status."""
    queue = status.get("queue")
    if queue is None:
        return "nothing: the queue was never read"
    waiting, oldest = int(queue.get("waiting", 0)), queue.get("oldestWaitSeconds")
    first = f"{plural(waiting)} waiting" + (
        f", the oldest for {spoken(oldest)}" if waiting and oldest is not None else ""
    )
    rest = [f"{queue[state]:,} {state}" for state in ("active", "delayed", "failed") if state in queue]
    return "; ".join([first, ", ".join(rest), *(["the queue is paused"] if queue.get("paused") else [])])


def learned(status: Raw) -> str:
    """The rates."""
    rates = status.get("rates")
    if rates is None or rates.get("source") == "None":
        return ""
    arrivals, completions = float(rates.get("arrivals", 0)), float(rates.get("completions", 0))
    runs = spoken(float(rates.get("serviceSeconds", 0)))
    if not arrivals and not completions:
        return f"no job came or ended lately; one is taken to run {runs}"
    return f"{_rate(arrivals)} come, {_rate(completions)} end, a job runs {runs}"


def _rate(per_second: float) -> str:
    if not per_second:
        return "no jobs"
    return f"{per_second:.3g} jobs/s" if per_second >= 1 else f"{per_second * 60:.3g} jobs/min"


def decided(status: Raw, now: float) -> str:
    """The decision's own sentence."""
    decision = status.get("decision")
    if decision is None:
        return "nothing yet"
    return f"{decision.get('message', '')} ({decision.get('reason', '?')}, {past(decision.get('time'), now)})"


def limit_of(pool: Raw) -> str | None:
    """The limit that changed the number last, or the reason when that is no demand but a pin or an unread queue."""
    decision = (pool.get("status") or {}).get("decision") or {}
    limit, reason = decision.get("limitedBy"), str(decision.get("reason", ""))
    if limit is None and awaited(reason, pool.get("spec") or {}) is not None:
        return reason
    return limit


def limited(pool: Raw) -> str:
    """The limit that changed the number last, with its meaning."""
    limit = limit_of(pool)
    if limit is None:
        return "nothing: the demand is met"
    meaning = next((reason.meaning for reason in Reason if reason == limit), "")
    return f"{limit}: {meaning}" if meaning else str(limit)


def waits_for(pool: Raw) -> Iterator[str]:
    """All that the pool is waiting for, what a person must do first."""
    spec, status = pool.get("spec") or {}, pool.get("status") or {}
    observed, generation = status.get("observedGeneration", 0), pool["metadata"].get("generation", 0)
    if observed < generation:
        yield "the operator to take up the changed spec"
    if any(found["type"] == ConditionType.STALLED and found["status"] == "True" for found in _conditions(pool)):
        yield "somebody to remove the trouble below"
    starting = status.get("desiredReplicas", 0) - status.get("readyReplicas", 0)
    if starting > 0:
        yield f"{plural(starting, 'pod')} to become ready"
    if starting < 0:
        yield f"{plural(-starting, 'pod')} to end"
    limit = limit_of(pool)
    if limit is not None:
        text = awaited(limit, spec)
        if (text is not None and not text.startswith("nothing")) or (text is not None and starting == 0):
            yield text


def troubles(pool: Raw, now: float) -> Iterator[str]:
    """Conditions that are not as they should be, in their own words."""
    for reason, group in troubled(pool):
        said = ", ".join(f"{found['type']} is {found['status']}" for found in group)
        since = min(epoch(found["lastTransitionTime"]) for found in group)
        yield f"{said} ({reason}) for {spoken(max(now - since, 0))}: {group[0]['message']}"


def troubled(pool: Raw) -> Iterator[tuple[str, list[Raw]]]:
    """Conditions that are not as they should be by their reason; those with the same words together."""
    together: dict[tuple[str, str], list[Raw]] = {}
    for found in _conditions(pool):
        wanted = GOOD.get(found["type"])
        off = found["status"] != wanted if wanted is not None else found["reason"] == Reason.QUOTA
        going_on = found["type"] == ConditionType.RECONCILING or found["reason"] in _GOING_ON
        if off and not going_on:
            together.setdefault((found["reason"], found["message"]), []).append(found)
    for (reason, _message), group in together.items():
        yield reason, group


def _conditions(pool: Raw) -> list[Raw]:
    found: list[Raw] = (pool.get("status") or {}).get("conditions") or []
    return found
