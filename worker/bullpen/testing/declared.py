"""Which job a function is, among all apps of this process."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bullpen.app import apps
from bullpen.errors import ConfigurationError
from bullpen.sync.queue import Queue as SyncQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen.app import App
    from bullpen.queue import Queue as AwaitingQueue
    from bullpen.runtime.handler import Handler


@dataclass(frozen=True, slots=True)
class Declared:
    """A job function where it was declared."""

    app: App
    queue: AwaitingQueue
    handler: Handler


def declared(
    function: Callable[..., Any], *, queue: AwaitingQueue | SyncQueue | None = None, name: str | None = None
) -> Declared:
    """Find `@queue.job` of a function; queue and job name choose when it has several.

    Raises ConfigurationError when it has none, and when it has several that it may be.
    """
    wanted = queue.awaiting if isinstance(queue, SyncQueue) else queue
    found = [
        Declared(app, each, handler)
        for app in tuple(apps)
        for each in app.queues.values()
        for handler in each.handlers
        if inspect.unwrap(handler.function) is inspect.unwrap(function) and wanted in (None, each)
    ]
    if name is not None and len(found) > 1:
        found = [each for each in found if each.handler.name == name] or found
    label = getattr(function, "__qualname__", repr(function))
    if not found:
        where = "" if queue is None else f" of queue {queue.name!r}"
        raise ConfigurationError(f"{label} is no job{where}: decorate it with @queue.job(name)")
    if len(found) > 1:
        places = ", ".join(sorted({f"{each.queue.name}/{each.handler.name or '*'}" for each in found}))
        raise ConfigurationError(f"{label} does several jobs ({places}): say which with queue= or name=")
    return found[0]
