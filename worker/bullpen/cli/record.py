"""One job as the commands show it; the names of the fields are those of Node's `job.toJSON()`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bullpen.cli.output import ago, shown
from bullpen.durations import spoken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bullpen.protocol.replies import JobRecord

_LOG_ROWS = 20


def fields(record: JobRecord, *, queue: str, state: str) -> dict[str, Any]:
    """What is stored of a job. A value that is no JSON, as another program may have left it, is given as its text."""
    return {
        "queue": queue,
        "id": record.id,
        "name": record.name,
        "state": state,
        "data": _value(record, b"data", {}),
        "opts": _value(record, b"opts", {}),
        "progress": _value(record, b"progress", 0),
        "delay": record.delay,
        "priority": record.priority,
        "attemptsMade": record.attempts_made,
        "attemptsStarted": record.attempts_started,
        "stalledCounter": record.stalled_count,
        "timestamp": record.timestamp,
        "processedOn": record.processed_on,
        "finishedOn": record.finished_on,
        "processedBy": record.processed_by,
        "returnvalue": _value(record, b"returnvalue", None),
        "failedReason": record.failed_reason,
        "cause": record.cause,
        "stacktrace": _value(record, b"stacktrace", []) or [],
        "parentKey": record.parent_key,
        "deduplicationId": record.deduplication_id,
        "repeatJobKey": record.scheduler_id,
    }


def _value(record: JobRecord, field: bytes, default: Any) -> Any:
    text = record.text(field)
    if text is None:
        return default
    try:
        return json.loads(text)
    except ValueError:
        return text


def described(job: Mapping[str, Any]) -> str:
    """A job in full for people: what is there, nothing that is not."""
    opts = job["opts"] if isinstance(job["opts"], dict) else {}
    tries = opts.get("attempts") or 1
    lines = [
        ("job", f"{job['id']} of {job['queue']}"),
        ("name", job["name"]),
        ("state", _state(job)),
        ("added", ago(job["timestamp"])),
        ("started", ago(job["processedOn"]) if job["processedOn"] else None),
        ("by", job["processedBy"]),
        ("ended", _ended(job)),
        ("attempts", f"{job['attemptsMade']} of {tries}, started {job['attemptsStarted']} times"),
        ("stalled", f"{job['stalledCounter']} times" if job["stalledCounter"] else None),
        ("priority", job["priority"] or None),
        ("progress", shown(job["progress"]) if job["progress"] else None),
        ("dedup", job["deduplicationId"]),
        ("schedule", job["repeatJobKey"]),
        ("parent", job["parentKey"]),
        ("children", _children(job["children"])),
        ("data", shown(job["data"])),
        ("options", shown(job["opts"])),
        ("result", shown(job["returnvalue"]) if job["state"] == "completed" else None),
        ("reason", job["failedReason"]),
        ("cause", job["cause"]),
    ]
    text = "\n".join(f"{title:<9} {value}" for title, value in lines if value is not None)
    return "\n".join([text, *_traces(job["stacktrace"]), *_logs(job["logs"], job["logCount"])])


def _state(job: Mapping[str, Any]) -> str:
    return f"delayed, due {ago(job['dueOn'])}" if job["dueOn"] else str(job["state"])


def _ended(job: Mapping[str, Any]) -> str | None:
    if not job["finishedOn"]:
        return None
    took = (job["finishedOn"] - (job["processedOn"] or job["finishedOn"])) / 1000
    return f"{ago(job['finishedOn'])}, after {spoken(max(took, 0))}"


def _children(children: Sequence[Mapping[str, Any]]) -> str | None:
    told = [f"{child['queue']}/{child['id']} {child['state']}" for child in children]
    return ", ".join(told) or None


def _traces(traces: object) -> list[str]:
    if not isinstance(traces, list) or not traces:
        return []
    return ["", f"stack trace (the last of {len(traces)}):", str(traces[-1]).rstrip()]


def _logs(rows: Sequence[str], count: int) -> list[str]:
    if not rows:
        return []
    newest = rows[-_LOG_ROWS:]
    more = f" (the last {len(newest)} of {count})" if count > len(newest) else ""
    return ["", f"log{more}:", *newest]
