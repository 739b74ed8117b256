"""`bullpen top`: queues and workers with their rates, again and again."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from bullpen.cli.output import Column, clean, dumped, plain_table, rate, shown, size, table
from bullpen.cli.target import COMPLETE_SECONDS, Desk, Target, as_json, on_target, queue_names
from bullpen.durations import spoken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bullpen.client.connection import Link
    from bullpen.protocol.calls.clients import ConnectedWorker
    from bullpen.protocol.heartbeat import Heartbeat

# New queues show after that long; a look through all keys is not for every second.
_SEARCH_SECONDS: Final = 10.0


def _count(value: int) -> str:
    return f"{value:,}"


def _age(value: float | None) -> str:
    return "-" if value is None else spoken(value)


_QUEUES: Final = (
    Column("queue", "QUEUE"),
    Column("ready", "READY", right=True, show=_count),
    Column("active", "ACTIVE", right=True, show=_count),
    Column("delayed", "DELAYED", right=True, show=_count),
    Column("failed", "FAILED", right=True, show=_count),
    Column("addedRate", "IN", right=True, show=rate),
    Column("completedRate", "DONE", right=True, show=rate),
    Column("failedRate", "FAILING", right=True, show=rate),
    Column("busy", "BUSY", right=True),
    Column("slots", "SLOTS", right=True),
    Column("paused", "", show=lambda paused: "paused" if paused else ""),
)
_WORKERS: Final = (
    Column("worker", "WORKER"),
    Column("queue", "QUEUE"),
    Column("kind", "KIND"),
    Column("state", "STATE"),
    Column("busy", "BUSY", right=True),
    Column("slots", "SLOTS", right=True),
    Column("endedRate", "ENDED", right=True, show=lambda value: "-" if value is None else rate(value)),
    Column("oldestJobSeconds", "OLDEST JOB", right=True, show=_age),
    Column("cpuPercent", "CPU", right=True, show=lambda value: "-" if value is None else f"{value:.0f}%"),
    Column("rssBytes", "MEMORY", right=True, show=lambda value: "-" if value is None else size(value)),
)


@click.command()
@click.argument("queues", nargs=-1, metavar="[QUEUE]...", shell_complete=queue_names)
@click.option(
    "--interval", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, help="Seconds between looks."
)
@click.option("--once", is_flag=True, help="One look, without rates of workers.")
@as_json
@on_target
def top(queues: tuple[str, ...], interval: float, once: bool, as_json: bool, target: Target) -> None:
    """Show all queues, or each QUEUE, and their workers, until Ctrl-C.

    Node's workers are known by their connections: that they are there, and no more. The rates of queues are those of
    the last 10 s, or of the time that the newest 2,000 events cover; those of workers are between two looks. CPU is
    per cent of one core. In a pipe it prints a table each time.
    """

    async def watch(desk: Desk) -> None:
        view = View(desk, queues)
        if once or as_json or not sys.stdout.isatty():
            while True:
                click.echo(_as_json(await view.look()) if as_json else _as_text(await view.look()))
                sys.stdout.flush()
                if once:
                    return
                await asyncio.sleep(interval)
        await _live(view, interval)

    for name in queues:
        _check_name(name)
    target.run(watch)


class View:
    """What was seen last, so that the next look tells rates."""

    def __init__(self, desk: Desk, queues: Sequence[str]) -> None:
        self._desk = desk
        self._given = queues
        self._names: Sequence[str] = queues
        self._searched = float("-inf")
        self._before: dict[tuple[str, str], Heartbeat] = {}
        self._connections: dict[int, asyncio.Task[bytes | None]] = {}
        self._blind = False

    async def look(self) -> dict[str, Any]:
        """`queues` and `workers`, rows of the two tables."""
        if not self._given and time.monotonic() - self._searched > _SEARCH_SECONDS:
            self._names = await self._desk.queues(seconds=COMPLETE_SECONDS)
            self._searched = time.monotonic()
        elif self._given and self._searched < 0:
            for name in self._given:
                await self._desk.queue(name)
            self._searched = 0.0
        self._connections.clear()
        seen = await asyncio.gather(*(self._queue(name) for name in self._names))
        return {
            "queues": [queue for queue, _workers in seen],
            "workers": [worker for _queue, workers in seen for worker in workers],
        }

    async def _queue(self, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        from bullpen.cli.inspect import summary
        from bullpen.cli.rates import rates, server_ms
        from bullpen.cli.workers import beats, connecting

        app = self._desk.app
        values, measured, alive, now, connected = await asyncio.gather(
            summary(app.queue(name)),
            rates(app, name, window=10.0),
            beats(app, name),
            server_ms(app, name),
            self._connected(name),
        )
        workers = [self._worker(name, beat, now / 1000) for beat in sorted(alive.values(), key=lambda each: each.pod)]
        unmeasured = {"queue": name, "endedRate": None, "cpuPercent": None}
        workers += [{**row, **unmeasured} for row in connecting(connected, alive)]
        row = {
            "queue": name,
            "ready": values["waiting"] + values["prioritized"],
            **{state: values[state] for state in ("active", "delayed", "completed", "failed", "paused")},
            "addedRate": round(measured.added, 3),
            "completedRate": round(measured.completed, 3),
            "failedRate": round(measured.failed, 3),
            "busy": sum(beat.busy for beat in alive.values()),
            "slots": sum(beat.slots for beat in alive.values()),
        }
        return row, workers

    async def _connected(self, name: str) -> Sequence[ConnectedWorker]:
        """Node's workers do not beat: their connections tell. One list a look and server, whatever queues it has."""
        from bullpen.protocol.calls.clients import workers
        from bullpen.protocol.keys import QueueKeys

        app = self._desk.app
        link = await app.link([name])
        if id(link) not in self._connections:
            self._connections[id(link)] = asyncio.create_task(self._everybody(link))
        found = await self._connections[id(link)]
        return () if found is None else workers(QueueKeys(app.prefix, name)).parse(found)

    async def _everybody(self, link: Link) -> bytes | None:
        from bullpen.errors import ConfigurationError
        from bullpen.protocol.calls.clients import everybody

        try:
            return await link.run(everybody())
        except ConfigurationError as error:
            if not self._blind:
                self._blind = True
                click.echo(f"bullpen: workers without heartbeats are not seen: {error}", err=True)
            return None

    def _worker(self, queue: str, beat: Heartbeat, now: float) -> dict[str, Any]:
        from bullpen.cli.workers import beating

        place = queue, beat.instance
        before = self._before.get(place)
        self._before[place] = beat
        row = {**beating(beat, now=now), "queue": queue, "endedRate": None, "cpuPercent": None}
        if before is not None and before.boot == beat.boot and (passed := (beat.at or 0) - (before.at or 0)) > 0:
            ended = beat.done + beat.failed - before.done - before.failed
            row["endedRate"] = round(ended / passed, 3)
            row["cpuPercent"] = round((beat.cpu - before.cpu) / passed * 100, 1)
        return row


def _check_name(name: str) -> None:
    from bullpen.protocol.keys import DEFAULT_PREFIX, QueueKeys

    QueueKeys(DEFAULT_PREFIX, name)


def _cells(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [[clean(column.show(row[column.key])) for column in columns] for row in rows]


def _as_json(seen: Mapping[str, Any]) -> str:
    return dumped({"at": int(time.time() * 1000), **seen})


def _as_text(seen: Mapping[str, Any]) -> str:
    lines = [time.strftime("%H:%M:%S"), *plain_table(_QUEUES, _cells(_QUEUES, seen["queues"]))]
    if seen["workers"]:
        lines += ["", *plain_table(_WORKERS, _cells(_WORKERS, seen["workers"]))]
    return "\n".join([*lines, ""])


async def _live(view: View, interval: float) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from bullpen.errors import ConnectionLost

    trouble = ""
    seen = await view.look()
    with Live(console=Console(highlight=False), screen=True, auto_refresh=False) as live:
        while True:
            head = Text(time.strftime("%H:%M:%S") + f"  every {interval:g} s, Ctrl-C ends  {shown(trouble or ' ')}")
            queues = table(_QUEUES, _cells(_QUEUES, seen["queues"]))
            workers = table(_WORKERS, _cells(_WORKERS, seen["workers"])) if seen["workers"] else Text("no workers")
            live.update(Group(head, Text(), queues, Text(), workers), refresh=True)
            await asyncio.sleep(interval)
            try:
                seen, trouble = await view.look(), ""
            except ConnectionLost as error:
                trouble = clean(str(error))  # the last numbers stay, and the next look tries again
