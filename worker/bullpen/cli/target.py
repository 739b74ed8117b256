"""Which Redis a command works on: by options, an app, or the environment. No app is needed."""

from __future__ import annotations

import asyncio
import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bullpen.app import App
    from bullpen.protocol.location import LocationSource
    from bullpen.queue import Queue

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")

LOOK_SECONDS = 5.0
"""How long a server's keys are looked through for queues."""
# Completion that is not there at once is in the way.
COMPLETE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """What `--redis`, `--prefix` and `--app` said; the first two win over the app, and that over the environment."""

    redis: str | None = None
    prefix: str | None = None
    app: str | None = None

    def loaded(self) -> App | None:
        """The app, if one was named. Raises ConfigurationError."""
        from bullpen.cli.loading import load_app

        return load_app(self.app) if self.app else None

    def source(self) -> LocationSource:
        """Where Redis is. Raises ConfigurationError."""
        import os

        from bullpen.protocol.location import RedisLocation
        from bullpen.runtime.settings import redis_from_environment

        if self.redis is not None:
            location = RedisLocation.parse(self.redis)
            return lambda: location
        loaded = self.loaded()
        return (loaded.redis if loaded is not None else None) or redis_from_environment(os.environ)

    def run(self, work: Callable[[Desk], Awaitable[T]]) -> T:
        """Do something there, on an event loop of its own.

        Raises ConnectionLost at once when Redis does not answer, and what `work` raises.
        """
        return asyncio.run(self._run(work))

    async def _run(self, work: Callable[[Desk], Awaitable[T]]) -> T:
        from bullpen.client.blocking import BlockingLink
        from bullpen.client.transports import CONNECT_SECONDS
        from bullpen.protocol.calls import discover
        from bullpen.protocol.keys import QueueKeys

        # What this process is asked for is on its output; `bullpen check` tells about the server.
        logging.getLogger("bullpen").addHandler(logging.NullHandler())
        loaded = self.loaded()
        source = self.source()
        prefix = self.prefix if self.prefix is not None else loaded.prefix if loaded is not None else None
        app = _app_at(source, prefix)
        for name, strategy in (loaded.backoffs if loaded is not None else {}).items():
            app.backoff(name)(strategy)
        # By a connection that says at once when Redis is not there; the app's goes on trying for ten seconds.
        anything = QueueKeys(
            app.prefix if prefix is None else prefix, "{bullpen}"
        )  # a name that has a place in a cluster too
        async with BlockingLink(source, queue=anything) as link:
            await link.run(discover.known(anything), block=CONNECT_SECONDS)
        async with app:
            return await work(Desk(app=app, source=source, loaded=loaded))


def _app_at(source: LocationSource, prefix: str | None) -> App:
    from bullpen.app import App

    class AppAt(App):
        """Where Redis is may be a file, which no URL can say."""

        def __init__(self) -> None:
            super().__init__(prefix=prefix)
            self._redis = source

    return AppAt()


@dataclass(frozen=True, slots=True)
class Desk:
    """An open app to work with, and the one that was named with `--app`, for what it declares."""

    app: App
    source: LocationSource
    loaded: App | None

    async def queues(self, *, seconds: float = LOOK_SECONDS) -> list[str]:
        """The queues there are and those of the app; says so when time was up before all keys were looked at."""
        from bullpen.client.discovery import find_queues

        found = await find_queues(self.source, self.app.prefix, seconds=seconds)
        if not found.complete:
            click.echo(
                f"bullpen: not all keys of Redis were looked at within {seconds:g} s: there may be more queues; "
                "name the one you want",
                err=True,
            )
        return sorted({*found.queues, *(self.loaded.queues if self.loaded is not None else ())})

    async def queue(self, name: str) -> Queue:
        """A queue that exists, or that the app declares. Raises ConfigurationError and WrongState."""
        from difflib import get_close_matches

        from bullpen.errors import WrongState
        from bullpen.protocol.calls import discover
        from bullpen.protocol.keys import QueueKeys

        queue = self.app.queue(name)
        declared = self.loaded is not None and name in self.loaded.queues
        link = await self.app.link([name])
        if not declared and not await link.run(discover.known(QueueKeys(self.app.prefix, name))):
            others = await self.queues(seconds=COMPLETE_SECONDS)
            close = get_close_matches(name, others, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(others[:10]) or 'none'}"
            raise WrongState(f"no queue {name!r} under prefix {self.app.prefix!r}: {hint}")
        return queue


def on_target(function: F) -> F:
    """Give a command `--redis`, `--prefix`, `--app` and `--debug`; it gets a `target`."""

    @functools.wraps(function)
    def called(*args: Any, redis: str | None, prefix: str | None, app: str | None, **kwargs: Any) -> Any:
        return function(*args, target=Target(redis, prefix, app), **kwargs)

    for option in reversed(
        (
            click.option("--redis", metavar="URL", help="Where Redis is (REDIS_URL, REDIS_URL_FILE)."),
            click.option("--prefix", metavar="TEXT", help="Prefix of all keys (QUEUE_PREFIX; bull unless set)."),
            click.option(
                "--app", envvar="BULLPEN_APP", metavar="MODULE:APP", help="Take both from this app (BULLPEN_APP)."
            ),
            debug,
        )
    ):
        called = option(called)
    return called  # type: ignore[return-value]


def queue_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell: the names that begin so. Nothing when Redis cannot tell quickly; a shell has no place for why."""
    from bullpen.client.discovery import find_queues
    from bullpen.errors import BullpenError
    from bullpen.protocol.keys import DEFAULT_PREFIX

    async def names() -> list[str]:
        import os

        given = Target(ctx.params.get("redis"), ctx.params.get("prefix"))
        prefix = given.prefix or os.environ.get("QUEUE_PREFIX") or DEFAULT_PREFIX
        async with asyncio.timeout(2 * COMPLETE_SECONDS):
            return list((await find_queues(given.source(), prefix, seconds=COMPLETE_SECONDS)).queues)

    try:
        found = asyncio.run(names())
    except (BullpenError, TimeoutError):
        return []
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


debug = click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
queue_argument = click.argument("queue", metavar="QUEUE", shell_complete=queue_names)
