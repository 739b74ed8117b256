"""Where things were declared, among all apps of this process: a job by its function, an app by its name."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bullpen.app import apps
from bullpen.errors import ConfigurationError
from bullpen.sync.app import App as SyncApp
from bullpen.sync.queue import Queue as SyncQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen.app import App
    from bullpen.queue import Queue as AwaitingQueue
    from bullpen.runtime.handler import Handler


def reference(app: App) -> str | None:
    """`module:attribute` of an app, by which a job in a process of its own can import it; None when it has no name."""
    jobs = {handler.function.__module__ for queue in app.queues.values() for handler in queue.handlers}
    for module in sorted(sys.modules, key=lambda name: name not in jobs):
        for name, value in tuple(getattr(sys.modules[module], "__dict__", {}).items()):
            if value is app or (isinstance(value, SyncApp) and value.awaiting is app):
                return f"{module}:{name}"
    return None


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
