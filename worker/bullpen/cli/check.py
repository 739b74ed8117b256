"""`bullpen check`: everything that would end a worker at its start, told at once."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bullpen.cli.loading import load_app
from bullpen.cli.output import clean, dumped, size
from bullpen.cli.serve import app_argument, served_queues
from bullpen.cli.server import ask
from bullpen.cli.target import debug
from bullpen.durations import spoken
from bullpen.errors import BullpenError, ConfigurationError
from bullpen.protocol.keys import DEFAULT_PREFIX
from bullpen.runtime.settings import read_settings, redis_from_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bullpen.app import App
    from bullpen.cli.server import Server
    from bullpen.runtime.handler import Handler

T = TypeVar("T")


@dataclass(slots=True)
class Mistakes:
    """What is wrong, a line each; `first` is the error that showed the first of them."""

    lines: list[str] = field(default_factory=list)
    first: ConfigurationError | None = None

    def collect(self, step: Callable[[], T]) -> T | None:
        """What a step gives, None when it found a mistake."""
        try:
            return step()
        except ConfigurationError as error:
            self.lines += str(error).splitlines()
            self.first = self.first or error
            return None

    def tell(self) -> None:
        """Raises all of them as one ConfigurationError, if there are any."""
        if self.lines:
            raise ConfigurationError("\n".join(dict.fromkeys(self.lines))) from self.first


@click.command()
@app_argument
@click.option("--no-redis", is_flag=True, help="Do not ask Redis.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@debug
def check(app: str | None, no_redis: bool, as_json: bool) -> None:
    """Import an app, check the environment, ask Redis, and print the app's queues and jobs.

    All mistakes are told at once, a line each, with exit code 2; it ends with 1 when Redis does not answer. Redis is
    asked whether it answers, for its version, what it does when its memory is full, and whether the user may do what a
    worker does. Nothing is written.
    """
    mistakes = Mistakes()
    mistakes.collect(read_settings)
    loaded = mistakes.collect(lambda: load_app(app))
    if loaded is not None:
        only = os.environ.get("QUEUE_NAME")
        mistakes.collect(lambda: served_queues(loaded, [only] if only else None))
    server = None
    if not no_redis and not any(line.startswith("REDIS_") for line in mistakes.lines):
        try:
            server = mistakes.collect(lambda: asyncio.run(_server(loaded)))
        except BullpenError as error:
            if not mistakes.lines:
                raise
            mistakes.lines.append(str(error))
    if server is not None:
        mistakes.lines += server.mistakes
    mistakes.tell()
    assert loaded is not None  # noqa: S101 - else there was a mistake
    if as_json:
        click.echo(dumped({"queues": list(queues(loaded)), "redis": None if server is None else server.fields()}))
        return
    for line in lines(loaded, server):
        click.echo(clean(line))
    for warning in server.warnings if server is not None else ():
        click.echo(f"bullpen: warning: {warning}", err=True)


async def _server(app: App | None) -> Server:
    source = (app.redis if app is not None else None) or redis_from_environment(os.environ)
    prefix = app.prefix if app is not None else os.environ.get("QUEUE_PREFIX") or DEFAULT_PREFIX
    return await ask(source, prefix=prefix, queues=list(app.queues) if app is not None else [])


def queues(app: App) -> Iterator[dict[str, Any]]:
    """The queues and jobs of an app, for JSON."""
    for queue in app.queues.values():
        limiter = queue.rules.limiter
        yield {
            "queue": queue.name,
            "limiter": None if limiter is None else {"max": limiter.max, "duration": limiter.duration_ms},
            "jobs": [_job(handler) for handler in queue.handlers],
        }


def _job(handler: Handler) -> dict[str, Any]:
    retry = handler.retry
    return {
        "name": handler.name,
        "function": f"{handler.function.__module__}.{handler.function.__qualname__}",
        "run": handler.run.value,
        "data": handler.payload_type or None,
        "timeoutSeconds": handler.timeout,
        "memoryBytes": handler.memory,
        "retry": None
        if retry is None
        else {"attempts": retry.attempts, "backoff": retry.backoff, "delay": retry.delay, "jitter": retry.jitter},
    }


def lines(app: App, server: Server | None) -> Iterator[str]:
    """The same for people."""
    if server is not None:
        yield f"redis {server.location}: {server.software}, {server.policy or 'its eviction policy is not told'}"
    for queue in queues(app):
        limiter = queue["limiter"]
        yield f"queue {queue['queue']}" + (
            f", at most {limiter['max']} starts in {limiter['duration']} ms" if limiter else ""
        )
        yield from (f"  job {_words(job)}" for job in queue["jobs"])
        if not queue["jobs"]:
            yield "  no jobs: this app only adds to it"


def _words(job: Mapping[str, Any]) -> str:
    name = job["name"] if job["name"] is not None else "(every other name)"
    parts: Sequence[str] = (
        f"{name}: {job['function']}",
        job["run"],
        f"data: {job['data']}" if job["data"] else "",
        f"timeout {spoken(job['timeoutSeconds'])}" if job["timeoutSeconds"] else "",
        f"memory {size(job['memoryBytes'])}" if job["memoryBytes"] else "",
        _tries(job["retry"]),
    )
    return ", ".join(filter(None, parts))


def _tries(retry: Mapping[str, Any] | None) -> str:
    if retry is None:
        return ""
    if retry["attempts"] == 1:
        return "never retried"
    return f"{retry['attempts']} attempts, {retry['backoff']} {retry['delay']}"
