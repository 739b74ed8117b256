"""`bullpen tail`: the events of a queue as they happen."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import click

from bullpen.cli.output import Output
from bullpen.cli.target import Desk, Target, as_json, on_target, queue_argument

if TYPE_CHECKING:
    from bullpen.protocol.events import Event


@click.command()
@queue_argument
@click.option("--from", "after", metavar="ID", help="Begin after the event of this id; 0-0: with the oldest there is.")
@click.option("--job", metavar="JOB", help="Only what concerns this job.")
@click.option("--event", "kinds", multiple=True, metavar="KIND", help="Only events of this kind, such as failed.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many events.")
@as_json
@on_target
def tail(
    queue: str,
    after: str | None,
    job: str | None,
    kinds: tuple[str, ...],
    count: int | None,
    as_json: bool,
    target: Target,
) -> None:
    """Follow what happens in QUEUE, whoever does it, until Ctrl-C.

    A lost connection is waited out, and nothing that the stream still holds is left out. The stream keeps about
    10,000 events.
    """
    output = Output(as_json)

    async def follow(desk: Desk) -> None:
        left = count
        async with (await desk.queue(queue)).events(after=after) as events:
            async for event in events:
                if (job is None or event.job_id == job) and (not kinds or event.kind in kinds):
                    output.record(fields(event), line(event))
                    left = None if left is None else left - 1
                    if left == 0:
                        return

    target.run(follow)


def fields(event: Event) -> dict[str, object]:
    """For JSON: the fields as they are stored, the JSON texts among them parsed."""
    values: dict[str, object] = {name: value for name, value in event.fields.items() if name != "jobId"}
    for name in ("returnvalue", "data"):
        if name in event.fields:
            try:
                values[name] = json.loads(event.fields[name])
            except ValueError:
                continue  # it is given as it is
    return {"id": event.id, "at": event.at_ms, "event": event.kind, "jobId": event.job_id, **values}


def line(event: Event) -> str:
    """For people."""
    at = datetime.fromtimestamp(event.at_ms / 1000).astimezone().strftime("%H:%M:%S.%f")[:-3]
    rest = " ".join(f"{name}={value}" for name, value in event.fields.items() if name != "jobId")
    text = f"{at}  {event.kind:<16} {event.job_id or '-'}"
    return " ".join(f"{text}  {rest}".split("\n")).rstrip()
