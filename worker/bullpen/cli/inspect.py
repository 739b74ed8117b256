"""`bullpen inspect`: all queues, one queue, its jobs in a state, one job in full."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from bullpen.cli import record as shape
from bullpen.cli.output import Column, Output, ago, plural, rate
from bullpen.cli.target import Desk, Target, as_json, on_target, queue_names

if TYPE_CHECKING:
    from bullpen.protocol.replies import Counts
    from bullpen.queue import Queue

# As in `JobState`, which is not imported to print a help text.
STATES = ("waiting", "active", "delayed", "prioritized", "waiting-children", "completed", "failed")
_ENDED = ("completed", "failed")
_MOST_LOGS = 1000

_COUNTS = (
    Column("waiting", "WAITING", right=True),
    Column("prioritized", "PRIORITIZED", right=True),
    Column("delayed", "DELAYED", right=True),
    Column("active", "ACTIVE", right=True),
    Column("waitingChildren", "CHILDREN", right=True),
    Column("completed", "COMPLETED", right=True),
    Column("failed", "FAILED", right=True),
)
_QUEUES = (
    Column("queue", "QUEUE"),
    *_COUNTS,
    Column("paused", "PAUSED", show=lambda paused: "paused" if paused else ""),
)
_JOBS = (
    Column("id", "ID"),
    Column("name", "NAME"),
    Column("attemptsMade", "TRIES", right=True),
    Column("timestamp", "ADDED", show=ago),
    Column("processedOn", "STARTED", show=ago),
    Column("finishedOn", "ENDED", show=ago),
    Column("failedReason", "REASON"),
)


@click.command()
@click.argument("queue", required=False, metavar="[QUEUE]", shell_complete=queue_names)
@click.argument("job", required=False, metavar="[JOB]")
@click.option("--state", type=click.Choice(STATES), help="List the jobs of QUEUE that are in this state.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Jobs to list.")
@click.option("--start", type=click.IntRange(0), default=0, metavar="N", help="Pass over so many jobs first.")
@click.option("--reverse", is_flag=True, help="The other way round.")
@as_json
@on_target
def inspect(
    queue: str | None,
    job: str | None,
    state: str | None,
    limit: int,
    start: int,
    reverse: bool,
    as_json: bool,
    target: Target,
) -> None:
    """Show the queues there are, one QUEUE, or one JOB in full.

    Jobs of a state come in the order in which they will be served; ended ones the newest first. The rates of a queue
    are those of the last minute, or of the time that its newest 2,000 events cover.
    """
    if state and not queue:
        raise click.UsageError("--state lists the jobs of a queue: name it")
    if state and job:
        raise click.UsageError("--state lists jobs, and one job is named: leave one of them out")
    output = Output(as_json)

    async def look(desk: Desk) -> None:
        if queue is None:
            await _all(desk, output)
        elif job is not None:
            found = await one_job(await desk.queue(queue), job)
            output.record(found, shape.described(found))
        elif state is not None:
            await _page(await desk.queue(queue), state, start, limit, reverse, output)
        else:
            await _one(desk, await desk.queue(queue), output)

    target.run(look)


def counted(counts: Counts) -> dict[str, Any]:
    """Jobs by state; those of a paused queue are waiting."""
    values = asdict(counts)
    values["waiting"] += values.pop("paused")
    values["waitingChildren"] = values.pop("waiting_children")
    return values


async def summary(queue: Queue) -> dict[str, Any]:
    """A queue's counts, and whether it is paused."""
    counts, settings = await asyncio.gather(queue.counts(), queue.settings())
    return {"queue": queue.name, "paused": settings.paused, **counted(counts)}


async def _all(desk: Desk, output: Output) -> None:
    names = await desk.queues()
    rows = await asyncio.gather(*(summary(desk.app.queue(name)) for name in names))
    output.rows(_QUEUES, rows, none=f"no queues under prefix {desk.app.prefix!r}")


async def _one(desk: Desk, queue: Queue, output: Output) -> None:
    from bullpen.cli.rates import rates
    from bullpen.cli.workers import beats

    values, settings, measured, alive, gone = await asyncio.gather(
        summary(queue),
        queue.settings(),
        rates(desk.app, queue.name),
        beats(desk.app, queue.name),
        queue.disabled_webhooks(),
    )
    limits = {"concurrency": settings.concurrency, "rateMax": settings.rate_max, "rateMs": settings.rate_duration_ms}
    full = {**values, "limits": limits, "rates": measured.fields(), "workers": len(alive)}
    full["disabledWebhooks"] = len(gone)
    lines = [("queue", f"{queue.name}{' (paused)' if settings.paused else ''}")]
    lines += [(column.title.lower(), f"{values[column.key]:,}") for column in _COUNTS]
    if settings.concurrency is not None:
        lines.append(("at a time", f"at most {settings.concurrency:,}"))
    if settings.rate_max is not None:
        lines.append(("limit", f"{plural(settings.rate_max)} in {(settings.rate_duration_ms or 0):,} ms"))
    lines.append(("workers", f"{len(alive)} that send heartbeats (bullpen workers {queue.name})"))
    if gone:
        lines.append(("webhooks", f"{len(gone):,} disabled: they answered 410 Gone (bullpen webhooks {queue.name})"))
    lines += [("rate in", rate(measured.added)), ("done", rate(measured.completed)), ("failing", rate(measured.failed))]
    output.record(full, "\n".join(f"{title:<12} {value}" for title, value in lines))


async def _page(queue: Queue, state: str, start: int, limit: int, reverse: bool, output: Output) -> None:
    from bullpen.protocol.replies import JobState

    maintenance = (await queue.producer()).maintenance
    oldest_first = (state not in _ENDED) is not reverse
    jobs = await maintenance.jobs(JobState(state), start=start, end=start + limit - 1, oldest_first=oldest_first)
    rows = [shape.fields(job, queue=queue.name, state=state) for job in jobs]
    output.rows(_JOBS, rows, none=f"no {state} jobs in {queue.name}" + (f" after the first {start:,}" if start else ""))


async def one_job(queue: Queue, job_id: str) -> dict[str, Any]:
    """Everything there is of a job, its logs and children too. Raises JobMissing."""
    from bullpen.protocol.calls import look
    from bullpen.protocol.keys import QueueKeys

    job = queue.get(job_id)
    due = look.due(QueueKeys(queue.app.prefix, queue.name), job_id=job_id)
    record, state, logs, children, due_on = await asyncio.gather(
        job.record(),
        job.state(),
        job.logs(start=-_MOST_LOGS),
        job.children(),
        (await queue.app.link([queue.name])).run(due),
    )
    states = await asyncio.gather(*(child.state() for child in children))
    family = [
        {"queue": child.queue.name, "id": child.id, "state": state}
        for child, state in zip(children, states, strict=True)
    ]
    values = shape.fields(record, queue=queue.name, state=state)
    return {**values, "dueOn": due_on, "children": family, "logs": list(logs.rows), "logCount": logs.count}
