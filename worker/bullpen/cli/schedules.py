"""`bullpen schedules`: jobs that run again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bullpen.cli.output import Column, Output, ago
from bullpen.cli.target import Desk, Target, as_json, on_target, queue_argument
from bullpen.durations import spoken

if TYPE_CHECKING:
    from bullpen.protocol.calls.schedules import Scheduler

_COLUMNS = (
    Column("id", "ID"),
    Column("name", "NAME"),
    Column("when", "WHEN"),
    Column("next", "NEXT", show=ago),
    Column("iterations", "RUNS", right=True),
    Column("limit", "LIMIT", right=True),
    Column("data", "DATA"),
)


@click.group()
def schedules() -> None:
    """Look at the schedules of a queue, and end them."""


@schedules.command("list")
@queue_argument
@as_json
@on_target
def list_(queue: str, as_json: bool, target: Target) -> None:
    """List the schedules of QUEUE, the next to run first."""
    output = Output(as_json)

    async def look(desk: Desk) -> None:
        found = await (await desk.queue(queue)).schedulers()
        output.rows(_COLUMNS, [_fields(queue, each) for each in found], none=f"no schedules in {queue}")

    target.run(look)


@schedules.command()
@queue_argument
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@as_json
@on_target
def remove(queue: str, ids: tuple[str, ...], as_json: bool, target: Target) -> int:
    """End schedules of QUEUE. A run that is ready or has begun is left alone."""
    output = Output(as_json)

    async def do(desk: Desk) -> int:
        here = await desk.queue(queue)
        code = 0
        for scheduler_id in ids:
            if await here.unschedule(scheduler_id):
                output.record({"queue": queue, "id": scheduler_id, "done": "removed"}, f"removed {scheduler_id}")
            else:
                click.echo(f"bullpen: {queue} has no schedule {scheduler_id!r}; see bullpen schedules list", err=True)
                code = 1
        return code

    return target.run(do)


def _fields(queue: str, scheduler: Scheduler) -> dict[str, Any]:
    every, pattern, tz = scheduler.every, scheduler.pattern, scheduler.tz
    return {
        "queue": queue,
        "id": scheduler.id,
        "name": scheduler.name,
        "when": f"every {spoken(every / 1000)}" if every is not None else f"{pattern}{f' {tz}' if tz else ''}",
        "every": every,
        "pattern": pattern,
        "tz": tz,
        "offset": scheduler.offset,
        "next": scheduler.next,
        "iterations": scheduler.iterations,
        "limit": scheduler.limit,
        "start": scheduler.start,
        "end": scheduler.end,
        "data": scheduler.data,
        "opts": scheduler.options,
    }
