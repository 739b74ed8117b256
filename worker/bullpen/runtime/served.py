"""What a worker serves: queues of the app, and the child processes that their jobs need."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bullpen.errors import ConfigurationError
from bullpen.runtime.around import NOTHING, Around
from bullpen.runtime.handler import Run
from bullpen.runtime.memory import container_limit, resident_bytes, share_of
from bullpen.runtime.processes import Processes
from bullpen.runtime.recycling import LEAST_SHARE, Limits
from bullpen.runtime.rules import PLAIN, Rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bullpen.runtime.handler import Handler
    from bullpen.runtime.settings import Settings
    from bullpen.webhook import Hook


@dataclass(frozen=True, slots=True)
class Served:
    """A queue of the app, with the functions for its jobs and who is told of their ends.

    `heard`: some worker of this app delivers that. `slots` None: as many as the settings say.
    """

    name: str
    handlers: Sequence[Handler]
    rules: Rules = PLAIN
    hooks: Sequence[Hook] = ()
    heard: bool = True
    slots: int | None = None


def processes_for(served: Sequence[Served], settings: Settings) -> Processes | None:
    """None for an app without jobs for processes. Raises ConfigurationError when they could not import the app."""
    queues = [each for each in served if any(handler.run is Run.PROCESS for handler in each.handlers)]
    if not queues:
        return None
    if settings.app is None:
        raise ConfigurationError(
            f'queue {queues[0].name!r} has jobs with run="process", and no app is named that a process could import; '
            "name it as module:attribute (bullpen serve app:app), or set BULLPEN_APP"
        )
    size = settings.concurrency * len(queues)
    cap = settings.child_memory
    if cap is None:
        cap = share_of(container_limit(), parent=resident_bytes(os.getpid()), processes=size + 1)
    # The process tree has to stay below MAX_MEMORY: a child that leaks goes before the whole worker has to.
    most = settings.recycling.memory
    if most is not None:
        most = max(1, int(LEAST_SHARE * most) - resident_bytes(os.getpid())) // (size + 1)
    limits = Limits(jobs=settings.child_jobs, memory=most, names="CHILD_MAX_")
    return Processes(app=settings.app, size=size, cap=cap, limits=limits)


def log_name(queue: str) -> str:
    """`video-generation` → `VideoWorker`: the first word of the queue's name."""
    word = next(iter(re.findall(r"[^\W_]+", queue)), queue)
    return f"{word[:1].upper()}{word[1:]}Worker"


def around_all(served: Sequence[Served]) -> Around:
    """All queues of an app have the same."""
    return next((each.rules.around for each in served if each.rules is not PLAIN), NOTHING)
