"""Functions of an app that are told when its jobs have ended: `@app.on_completed`, `@queue.on_failed` …"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from bullpen.errors import ConfigurationError

if TYPE_CHECKING:
    from bullpen.protocol.replies import JobRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt at a job, after Redis has taken its end.

    `job` is the record as it was claimed, `attempt` 1 for the first, `seconds` how long it ran. `value` is the JSON
    text of what a completed job returned. A failed one has the `error` that was raised and the stored `reason`;
    `retry_in` is in how many seconds it is tried again, None when it has failed for good.
    """

    queue: str
    job: JobRecord
    attempt: int
    seconds: float
    value: str | None = None
    error: BaseException | None = None
    reason: str | None = None
    retry_in: float | None = None

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.job.id

    @property
    def name(self) -> str:
        """The job's name."""
        return self.job.name

    @property
    def result(self) -> Any:
        """What a completed job returned, as JSON values; None for a failed one."""
        return None if self.value is None else json.loads(self.value)

    @property
    def will_retry(self) -> bool:
        """Whether a failed job is tried again."""
        return self.retry_in is not None


Hook: TypeAlias = Callable[[Ended], Awaitable[None] | None]
H = TypeVar("H", bound=Hook)


@dataclass(frozen=True, slots=True)
class Hooks:
    """In the order in which they are called: the app's, then the queue's."""

    completed: Sequence[Hook] = ()
    failed: Sequence[Hook] = ()

    def __bool__(self) -> bool:
        return bool(self.completed or self.failed)


class Hooked:
    """The part of `App` and `Queue` that declares hooks."""

    def __init__(self) -> None:
        super().__init__()
        self._on_completed: list[Hook] = []
        self._on_failed: list[Hook] = []

    def on_completed(self, function: H) -> H:
        """Have a function called with an `Ended` after a job has completed, by the worker that ran it.

        It may be async, or plain, and then runs in a thread; it has 30 s. What it raises is logged, the job has
        completed all the same. A worker that dies at that moment calls nothing: what must be told is a webhook.
        Raises ConfigurationError for what cannot be called so.
        """
        self._on_completed.append(_checked(function, "on_completed"))
        return function

    def on_failed(self, function: H) -> H:
        """The same for each failed attempt: `Ended.will_retry` tells whether another one follows."""
        self._on_failed.append(_checked(function, "on_failed"))
        return function

    def hooks(self, above: Hooked | None = None) -> Hooks:
        """Those declared so far, behind those of `above`."""
        if above is None:
            return Hooks(tuple(self._on_completed), tuple(self._on_failed))
        outer = above.hooks()
        return Hooks((*outer.completed, *self._on_completed), (*outer.failed, *self._on_failed))


def _checked(function: H, what: str) -> H:
    name = getattr(function, "__qualname__", repr(function))
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise ConfigurationError(f"{what}: {name} is called with one argument, an Ended: def {name}(ended)") from None
    return function
