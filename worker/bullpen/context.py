"""What a running job may ask of its worker: report, look at its own attempt, and learn that it must stop."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from bullpen.client.payload import dump
from bullpen.protocol.calls import children, job
from bullpen.unjsonable import json_text
from bullpen.values import plain, typed

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping

    from bullpen.protocol import QueueKeys
    from bullpen.protocol.call import Call

S = TypeVar("S")
T = TypeVar("T")

LARGEST_STATE: Final = 1_000_000
"""Characters of JSON that a job may save: it is read with the job at each start."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


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


class Read(Answer[T]):
    """An answer as whoever asked reads it."""

    __slots__ = ("_answer", "_read")

    def __init__(self, answer: Answer[S], read: Callable[[S], T]) -> None:
        self._answer = answer
        self._read = read

    def __await__(self) -> Generator[Any, None, T]:
        answer = yield from self._answer.__await__()
        return self._read(answer)

    def result(self) -> T:
        return self._read(self._answer.result())


class Execution(Protocol):
    """The attempt behind a context. `token` owns the job; `saved` is JSON text of what was saved last, if anything."""

    saved: str | None

    @property
    def job_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def token(self) -> str: ...
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

    def results(self, as_: type[T] | None = None) -> Answer[list[T]]:
        """What the children of this job returned, in the order in which the flow names them; see `children_values`.

        Children to which you gave ids come behind the others, by their ids ("scene-2" before "scene-10"). What
        `App.gather` adds is not among them. `as_` is the type to read each as: ProtocolError for what does not fit.
        """
        job_id = self._execution.job_id
        return Read(self.children_values(), lambda values: _typed(in_order(values, parent=job_id), as_))

    def previous(self, as_: type[T] | None = None) -> Answer[T]:
        """What the step before this one in a `chain` returned; None for the first step.

        Raises ValueError when this job has waited for several (`results` has theirs), ProtocolError as `results` does.
        """
        return Read(self.results(as_), _single)

    def update_data(self, data: object) -> Answer[None]:
        """Replace the job's data: what later attempts get. Raises ConfigurationError for what is no JSON."""
        execution = self._execution
        text = dump(plain(execution.name, data), what=f"data of job {execution.job_id}")
        return execution.ask(job.update_data(execution.keys, job_id=execution.job_id, data=text))

    def save(self, state: object) -> Answer[None]:
        """Keep a state for later attempts, on whichever worker: a model or any JSON value, 1 MB of JSON at most.

        `await` it, or take its `result()` in a thread, before going on: then it is kept whatever happens. Each replaces
        the one before; None removes it. Raises TypeError for what is no JSON, ValueError for what is too large, and
        the answer LockLost when the job is no longer this worker's.
        """
        execution = self._execution
        text = "" if state is None else json_text(state, what="checkpoint").decode()
        if len(text) > LARGEST_STATE:
            raise ValueError(
                f"the checkpoint of job {execution.job_id} has {len(text):,} characters of JSON, of {LARGEST_STATE:,} "
                "at most: store it elsewhere, and save where"
            )
        call = job.save_state(execution.keys, job_id=execution.job_id, token=execution.token, state=text)

        def kept(_: None) -> None:
            execution.saved = text or None

        return Read(execution.ask(call), kept)

    @property
    def checkpoint(self) -> Any:
        """What this attempt or an earlier one saved last, as JSON values; None when nothing."""
        saved = self._execution.saved
        return None if saved is None else json.loads(saved)

    def checkpoint_as(self, kind: type[T]) -> T | None:
        """The same, read as a type by pydantic. Raises ProtocolError for a state of another shape."""
        saved = self.checkpoint
        return None if saved is None else typed(saved, kind, what=f"job {self.job_id} has saved something")

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger of this process whose lines carry the job's id, name and attempt."""
        execution = self._execution
        return JobLogger(execution.logger, job_fields(execution))


def in_order(values: Mapping[str, Any], *, parent: str) -> list[Any]:
    """Values of children by full key, in the order of their ids; those that `App.gather` added are left out.

    Ids given by `App.flow` say the place in the flow; in others, numbers count as numbers.
    """
    named = [(key.rpartition(":")[2], key) for key in values]
    own = [each for each in named if not each[0].startswith(gathered_by(parent))]
    return [values[key] for _, key in sorted(own, key=lambda each: (_place(each[0]), each[1]))]


def gathered_by(parent: str) -> str:
    """What the ids of jobs begin with that a job of this id has `App.gather` add; those of schedules have colons."""
    return f"{parent.replace(':', '-')}."


def _place(job_id: str) -> tuple[bool, list[tuple[bool, int, str]]]:
    if _UUID.fullmatch(job_id):
        return False, [(True, 0, job_id)]
    parts = re.split(r"(\d+)", job_id)
    return True, [(each.isdecimal(), int(each) if each.isdecimal() else 0, each) for each in parts]


def _typed(values: list[Any], kind: type[T] | None) -> list[T]:
    return values if kind is None else [typed(each, kind, what="a child returned something") for each in values]


def _single(values: list[T]) -> Any:
    if len(values) > 1:
        raise ValueError(f"this job waited for {len(values)} jobs, not for one: ctx.results() has what they returned")
    return values[0] if values else None


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
