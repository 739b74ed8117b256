"""`bullpen pause`, `resume`, `drain`, `clean` and `obliterate`: whole queues."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from bullpen.cli.inspect import STATES
from bullpen.cli.output import Output, plural
from bullpen.cli.target import Desk, Target, as_json, on_target, queue_argument, queue_names

if TYPE_CHECKING:
    from collections.abc import Sequence

_queues = click.argument("queues", nargs=-1, required=True, metavar="QUEUE...", shell_complete=queue_names)
_yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


@click.command()
@_queues
@as_json
@on_target
def pause(queues: tuple[str, ...], as_json: bool, target: Target) -> None:
    """Start no more jobs of each QUEUE, on any worker; running ones go on."""
    _switch(queues, Output(as_json), target, paused=True)


@click.command()
@_queues
@as_json
@on_target
def resume(queues: tuple[str, ...], as_json: bool, target: Target) -> None:
    """End the pause of each QUEUE; jobs are served in the order they had."""
    _switch(queues, Output(as_json), target, paused=False)


def _switch(names: Sequence[str], output: Output, target: Target, *, paused: bool) -> None:
    async def do(desk: Desk) -> None:
        for queue in [await desk.queue(name) for name in names]:  # a wrong name among them: nothing is done
            await (queue.pause() if paused else queue.resume())
            told = "paused" if paused else "resumed"
            output.record({"queue": queue.name, "paused": paused}, f"{told} {queue.name}")

    target.run(do)


@click.command()
@queue_argument
@click.option("--delayed", is_flag=True, help="Those that are not yet due too.")
@_yes
@as_json
@on_target
def drain(queue: str, delayed: bool, yes: bool, as_json: bool, target: Target) -> None:
    """Delete the jobs of QUEUE that wait to be run; asks first on a terminal.

    Active and finished jobs stay, and the next runs of schedules. To stop a queue without losing jobs: bullpen pause.
    """
    output = Output(as_json)

    async def do(desk: Desk) -> None:
        here = await desk.queue(queue)
        counts = await here.counts()
        waiting = counts.waiting + counts.paused + counts.prioritized + (counts.delayed if delayed else 0)
        if not yes and sys.stdin.isatty():
            click.confirm(f"Delete {plural(waiting)} that wait in {queue}?", abort=True, err=True)
        count = await here.drain(delayed=delayed)
        output.record({"queue": queue, "deleted": count}, f"{plural(count)} deleted from {queue}")

    target.run(do)


@click.command()
@queue_argument
@click.argument("state", type=click.Choice([state for state in STATES if state != "waiting-children"]))
@click.option("--older-than", default="0", metavar="TIME", help="Only jobs so old, such as 30m, 12h, 7d.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many.")
@as_json
@on_target
def clean(queue: str, state: str, older_than: str, limit: int | None, as_json: bool, target: Target) -> None:
    """Delete jobs of QUEUE that are in STATE, by age: since their end, else their last start, else their creation.

    Jobs that a worker holds stay, and the next runs of schedules.
    """
    from bullpen.durations import seconds

    seconds(older_than, of="--older-than")  # before Redis is asked
    output = Output(as_json)

    async def do(desk: Desk) -> None:
        ids = await (await desk.queue(queue)).clean(state, older_than=older_than, limit=limit or 0)
        told = {"queue": queue, "state": state, "deleted": len(ids)}
        output.record(told, f"{plural(len(ids), f'{state} job')} deleted from {queue}")

    target.run(do)


@click.command()
@queue_argument
@click.option("--force", is_flag=True, help="Even with active jobs; their workers lose them.")
@_yes
@as_json
@on_target
def obliterate(queue: str, force: bool, yes: bool, as_json: bool, target: Target) -> None:
    """Delete QUEUE with all its jobs, limits and events. Asks on a terminal; elsewhere it needs --yes."""
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: say --yes to delete the queue with all its jobs")
    output = Output(as_json)

    async def do(desk: Desk) -> None:
        here = await desk.queue(queue)
        if not yes:
            counts = await here.counts()
            total = sum(getattr(counts, name) for name in counts.__slots__)
            click.confirm(f"Delete {queue} with its {plural(total)} for good?", abort=True, err=True)
        await here.obliterate(force=force)
        output.record({"queue": queue, "obliterated": True}, f"{queue} is gone")

    target.run(do)
