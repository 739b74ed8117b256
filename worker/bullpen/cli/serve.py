"""`bullpen serve`: the worker."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import click

from bullpen.cli.loading import load_app
from bullpen.cli.target import queue_names
from bullpen.errors import ConfigurationError
from bullpen.protocol.keys import QueueKeys
from bullpen.runtime.burst import stop_when_empty
from bullpen.runtime.delivering import deliveries, tells, told_by
from bullpen.runtime.served import Served
from bullpen.runtime.settings import (
    DEFAULT_CONCURRENCY,
    LOG_FORMATS,
    LOG_LEVELS,
    MAX_CONCURRENCY,
    Settings,
    read_settings,
)
from bullpen.runtime.worker import Worker
from bullpen.serving.logs import configure
from bullpen.serving.metrics import exposition
from bullpen.serving.probes import ProbeServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
    from types import FrameType

    from bullpen.app import App

app_argument = click.argument("app", envvar="BULLPEN_APP", required=False, metavar="[MODULE:APP]")


@click.command()
@app_argument
@click.option(
    "--concurrency", type=click.IntRange(1, MAX_CONCURRENCY), help="Jobs at once per queue (QUEUE_CONCURRENCY)."
)
@click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="NAME",
    shell_complete=queue_names,
    help="Serve only this queue of the app (QUEUE_NAME). May be given again, or as NAME,NAME.",
)
@click.option("--burst", is_flag=True, help="End once the queues are empty.")
@click.option("--reload", is_flag=True, help="Start anew when a Python file below this directory changes.")
@click.option("--max-jobs", metavar="NUMBER", help="End, to be started anew, after about so many jobs (MAX_JOBS).")
@click.option("--max-memory", metavar="SIZE", help="… or with about so much memory in use, as 512Mi (MAX_MEMORY).")
@click.option("--max-age", metavar="TIME", help="… or after about such a time, as 12h (MAX_AGE).")
@click.option("--log-format", type=click.Choice(LOG_FORMATS), help="Lines for people or for machines (LOG_FORMAT).")
@click.option("--log-level", type=click.Choice(LOG_LEVELS), help="The least that is logged (LOG_LEVEL).")
@click.option("--debug", is_flag=True, help="Show tracebacks and debug lines.")
def serve(
    app: str | None,
    queues: tuple[str, ...],
    burst: bool,
    reload: bool,
    concurrency: int | None,
    max_jobs: str | None,
    max_memory: str | None,
    max_age: str | None,
    log_format: str | None,
    log_level: str | None,
    debug: bool,
) -> int:
    """Run the jobs of an app until SIGTERM or Ctrl-C.

    MODULE:APP names the app, for example app:app; without it BULLPEN_APP does. Where Redis is comes from REDIS_URL or
    REDIS_URL_FILE. The first signal finishes what fits in DRAIN_SECONDS and hands the rest back, a second one hands
    everything back at once.

    --burst ends with 0 when nothing waits, nothing runs, and no delayed job is due within 10 s; paused queues and next
    runs of schedules are not waited for. --reload is for development: running jobs end or are handed back first, and a
    file that cannot be imported is waited out.
    """
    if burst and reload:
        raise click.UsageError("--burst ends by itself and --reload does not: give one of them")
    if reload:
        from bullpen.cli.reload import Reloader

        return Reloader(sys.argv[1:], directory=os.getcwd(), log_format=log_format, log_level=log_level).run()
    # Nothing is held until the worker runs. Process 1 of a container does not even hear a signal it has no handler for.
    before = signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        limits = {"MAX_JOBS": max_jobs, "MAX_MEMORY": max_memory, "MAX_AGE": max_age}
        given = {name: value for name, value in limits.items() if value is not None}
        _run(
            app, queues, concurrency, log_format, log_level, environ={**os.environ, **given}, burst=burst, verbose=debug
        )
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _run(
    app: str | None,
    queues: Sequence[str],
    concurrency: int | None,
    log_format: str | None,
    log_level: str | None,
    *,
    environ: Mapping[str, str],
    burst: bool,
    verbose: bool,
) -> None:
    read = read_settings(environ)
    settings = dataclasses.replace(
        read,
        app=app,
        concurrency=concurrency or read.concurrency,
        log_format=log_format or read.log_format,
        log_level=log_level or read.log_level,
    )
    configure(form=settings.log_format, level="debug" if verbose else settings.log_level)
    loaded = load_app(app)
    if loaded.telemetry is not None:
        configure(
            form=settings.log_format, level="debug" if verbose else settings.log_level, traced=loaded.telemetry.ids
        )
    if loaded.redis is not None:
        settings = dataclasses.replace(settings, redis=loaded.redis)
    settings = dataclasses.replace(settings, prefix=loaded.prefix)
    chosen = tuple(split_names(loaded, queues)) if queues else None
    only = chosen or (None if settings.queue is None else (settings.queue,))
    served = served_queues(loaded, only, settings, said_by="--queue" if chosen else "QUEUE_NAME")
    asyncio.run(_serve(loaded, served, settings, burst=burst))


def split_names(app: App, given: Sequence[str]) -> Iterator[str]:
    """`a,b` are two queues, unless one is called so."""
    for text in given:
        yield from (text,) if text in app.queues else filter(None, (name.strip() for name in text.split(",")))


def served_queues(
    app: App, only: Sequence[str] | None, settings: Settings | None = None, *, said_by: str = "QUEUE_NAME"
) -> Sequence[Served]:
    """The queues to serve: those with jobs, or those that were named, and the webhooks of each.

    Raises ConfigurationError when there are none.
    """
    app.check()
    known = ", ".join(sorted(app.queues)) or "none"
    told = []
    for name in only or ():
        if (teller := told_by(name, app)) is not None:
            told.append(teller)
        elif name not in app.queues:
            raise ConfigurationError(f"{said_by}={name}: the app has no such queue (it has {known}); correct the name")
        elif not app.queues[name].handlers:
            raise ConfigurationError(f"queue {name!r} has no jobs; declare one with @queue.job(name)")
    queues = [queue for queue in app.queues.values() if queue.handlers and (only is None or queue.name in only)]
    if not queues and not told:
        raise ConfigurationError(f"the app's queues ({known}) have no jobs; declare one with @queue.job(name)")
    slots = DEFAULT_CONCURRENCY if settings is None else settings.webhook_concurrency
    private = settings is not None and settings.webhook_allow_private
    return [
        *(Served(each.name, each.handlers, each.rules, hooks=each.webhooks, heard=tells(each)) for each in queues),
        *deliveries(app, [each for each in queues if each not in told], slots=slots, allow_private=private),
        *deliveries(app, told, allow_private=private),
    ]


async def _serve(app: App, served: Sequence[Served], settings: Settings, *, burst: bool) -> None:
    worker = Worker(served, settings, telemetry=app.telemetry)
    health = worker.health
    probes = {"/startedz": health.start, "/livez": health.live, "/readyz": health.ready}
    server = None
    if settings.metrics_port is not None:
        server = ProbeServer(settings.metrics_port, probes=probes, metrics=exposition(worker.counts, worker.usage))
        server.start()

    def told(_signal: int, _frame: FrameType | None) -> None:
        worker.stop()

    # Not the loop's own signal handlers: those run only when the loop turns, and a job may block it.
    before = {each: signal.signal(each, told) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        async with app, AsyncExitStack() as stack:  # jobs that add jobs have opened the app's connection
            if burst:
                await stack.enter_async_context(_until_empty(app, served, settings, worker))
            await worker.run()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        if server is not None:
            server.close()


@asynccontextmanager
async def _until_empty(
    app: App, served: Sequence[Served], settings: Settings, worker: Worker
) -> AsyncGenerator[None, None]:
    queues = [(await app.link([each.name]), QueueKeys(settings.prefix, each.name)) for each in served]
    looking = asyncio.create_task(stop_when_empty(queues, worker.stop), name="burst")
    # An error of the look ends the worker too, and is raised once it has drained.
    looking.add_done_callback(lambda task: worker.stop() if not task.cancelled() and task.exception() else None)
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait([looking])
    if not looking.cancelled() and (error := looking.exception()) is not None:
        raise error
