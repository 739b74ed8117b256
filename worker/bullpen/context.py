"""What a running job may ask of its worker: report, look at its own attempt, and learn that it must stop."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from bullpen.protocol.calls import children

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Awaitable, Generator, MutableMapping

    from bullpen.protocol import QueueKeys
    from bullpen.protocol.call import Call

T = TypeVar("T")


class Stopping(BaseException):
    """Raised by `Context.raise_if_stopping()`: the job gives itself back, it has not failed.

    A `BaseException`, so that a job's own `except Exception` does not take it for an error of its work.
    """


class Answer(Generic[T]):
    """What Redis answers to a job's question: to be awaited, or, in a plain function's thread, waited for."""

    __slots__ = ("_future",)

    def __init__(self, future: concurrent.futures.Future[T]) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.wrap_future(self._future).__await__()

    def result(self) -> T:
        """Block until the answer is there. Raises RuntimeError on the event loop, which would wait for itself."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._future.result()
        raise RuntimeError("result() would block the event loop: await the answer instead")


class Execution(Protocol):
    """The attempt behind a context."""

    @property
    def job_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def stopping(self) -> bool: ...
    @property
    def deadline(self) -> float | None: ...
    @property
    def logger(self) -> logging.Logger: ...
    def report_progress(self, value: object) -> Awaitable[None]: ...
    def report_log(self, line: str) -> Awaitable[None]: ...
    def ask(self, call: Call[T]) -> Answer[T]: ...
    @property
    def keys(self) -> QueueKeys: ...


class Context:
    """The second parameter of a job function, made anew for each attempt."""

    __slots__ = ("_execution",)

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    @property
    def job_id(self) -> str:
        """The job's id, the same in every attempt."""
        return self._execution.job_id

    @property
    def name(self) -> str:
        """The job's name, as it was added."""
        return self._execution.name

    @property
    def queue(self) -> str:
        """The name of the queue the job came from."""
        return self._execution.queue

    @property
    def attempt(self) -> int:
        """Which try this is: 1 for the first. Handing a job back does not count as a try."""
        return self._execution.number

    @property
    def stopping(self) -> bool:
        """Whether the job should stop: its lock or its time is lost, or the worker's time to drain is over."""
        return self._execution.stopping

    @property
    def deadline(self) -> float | None:
        """When the job's `timeout` strikes, in epoch seconds (as `time.time()`); None without one."""
        return self._execution.deadline

    def raise_if_stopping(self) -> None:
        """Leave the job by `Stopping` when `stopping` is true; call it between steps of long work in a thread."""
        if self._execution.stopping:
            raise Stopping

    def progress(self, value: object) -> Awaitable[None]:
        """Record how far the job is: per cent, or any JSON value. May be called from async and thread jobs.

        Reports are written in order, in the background, and all before the job's end; `await` the returned object
        to wait for this one (it then raises what went wrong; otherwise a failure is only logged).
        Raises `TypeError` at once for a value that is no JSON.
        """
        return self._execution.report_progress(value)

    def log(self, line: str) -> Awaitable[None]:
        """Append a line to the job's log in Redis, where dashboards and Node's getJobLogs see it; like `progress`."""
        return self._execution.report_log(line)

    def children_values(self) -> Answer[dict[str, Any]]:
        """What the children of this job returned, by the full keys of their records (`bull:images:<id>`).

        `await` it, or take its `result()` in a job that runs in a thread. Empty for a job without children.
        """
        execution = self._execution
        return execution.ask(children.values(execution.keys, job_id=execution.job_id))

    def children_failures(self) -> Answer[dict[str, str]]:
        """Why children failed that did not fail this job ("ignore_failure", "continue_parent"); like the values."""
        execution = self._execution
        return execution.ask(children.ignored_failures(execution.keys, job_id=execution.job_id))

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger of this process whose lines carry the job's id, name and attempt."""
        execution = self._execution
        return JobLogger(execution.logger, job_fields(execution))


class JobLogger(logging.LoggerAdapter[logging.Logger]):
    """Names the job in the text of each line, and gives the fields of the JSON format."""

    def process(self, msg: object, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        fields = dict(self.extra or {})
        kwargs["extra"] = {**fields, **(kwargs.get("extra") or {})}
        return f"Job {fields['job_id']}: {msg}", kwargs


def job_fields(execution: Execution) -> dict[str, object]:
    """The fields a log record about a job carries; `serving.logs` writes them in the JSON format."""
    return {
        "queue": execution.queue,
        "job_id": execution.job_id,
        "job_name": execution.name,
        "attempt": execution.number,
    }
