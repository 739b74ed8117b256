"""`bullpen workers`: who serves a queue, by heartbeats (ours) and by the names of connections (Node's too)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import click

from bullpen.cli.output import Column, Output, size
from bullpen.cli.target import Desk, Target, as_json, on_target, queue_argument
from bullpen.durations import spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bullpen.app import App
    from bullpen.protocol.calls.clients import ConnectedWorker
    from bullpen.protocol.heartbeat import Heartbeat

# Beats come every second; so old a one is of a worker that is gone, frozen or cut off.
SILENT_SECONDS: Final = 5.0


def _seconds(value: float | None) -> str:
    return "-" if value is None else spoken(value)


COLUMNS = (
    Column("worker", "WORKER"),
    Column("kind", "KIND"),
    Column("state", "STATE"),
    Column("busy", "BUSY", right=True),
    Column("slots", "SLOTS", right=True),
    Column("oldestJobSeconds", "OLDEST JOB", right=True, show=_seconds),
    Column("done", "DONE", right=True),
    Column("failed", "FAILED", right=True),
    Column("cpuSeconds", "CPU", right=True, show=_seconds),
    Column("rssBytes", "MEMORY", right=True, show=lambda rss: "-" if rss is None else size(rss)),
    Column("version", "VERSION"),
    Column("address", "ADDRESS"),
)


@click.command()
@queue_argument
@as_json
@on_target
def workers(queue: str, as_json: bool, target: Target) -> None:
    """List the workers that serve QUEUE: pods by their heartbeats, Node's workers by their connections.

    BUSY of SLOTS are running jobs. A worker is silent when its last heartbeat is older than 5 s. CPU is the time it
    has used since its start. Connections can be seen by a user who may CLIENT LIST only.
    """
    output = Output(as_json)

    async def look(desk: Desk) -> None:
        await desk.queue(queue)
        output.rows(COLUMNS, await all_workers(desk.app, queue), none=f"no workers serve {queue}")

    target.run(look)


async def beats(app: App, queue: str) -> Mapping[str, Heartbeat]:
    """The heartbeats of a queue by instance."""
    from bullpen.protocol.heartbeat import read_beats
    from bullpen.protocol.keys import QueueKeys

    return (await (await app.link([queue])).run(read_beats(QueueKeys(app.prefix, queue)))).alive


async def all_workers(app: App, queue: str) -> list[dict[str, Any]]:
    """A row each: those that beat, then connections of others."""
    from bullpen.cli.rates import server_ms
    from bullpen.errors import ConfigurationError

    alive, now_ms = await asyncio.gather(beats(app, queue), server_ms(app, queue))
    rows = [beating(beat, now=now_ms / 1000) for beat in sorted(alive.values(), key=lambda beat: beat.pod)]
    try:
        connected = await app.queue(queue).workers()
    except ConfigurationError as error:
        click.echo(f"bullpen: workers without heartbeats are not seen: {error}", err=True)
        return rows
    return [*rows, *connecting(connected, alive)]


def connecting(connected: Iterable[ConnectedWorker], alive: Mapping[str, Heartbeat]) -> list[dict[str, Any]]:
    """Those that are connected and do not beat, as rows."""
    ours, empty = {beat.pod for beat in alive.values()}, dict.fromkeys((column.key for column in COLUMNS), None)
    return [
        {**empty, "worker": each.name, "kind": "node", "state": "connected", "address": each.address}
        for each in connected
        if each.name not in ours
    ]


def beating(beat: Heartbeat, *, now: float) -> dict[str, Any]:
    """A heartbeat as a row; `now` by the server's clock, epoch s."""
    state = "drained" if beat.drained else "draining" if beat.draining else "serving"
    silent = now - (beat.at or 0) > SILENT_SECONDS
    return {
        "worker": beat.pod or beat.instance,
        "kind": "bullpen",
        "state": f"silent for {spoken(now - (beat.at or 0))}" if silent else state,
        "busy": beat.busy,
        "slots": beat.slots,
        "oldestJobSeconds": None if beat.oldest is None else round(max(now - beat.oldest, 0), 3),
        "done": beat.done,
        "failed": beat.failed,
        "cpuSeconds": round(beat.cpu, 3),
        "rssBytes": beat.rss,
        "version": beat.version,
        "address": None,
        "instance": beat.instance,
    }
