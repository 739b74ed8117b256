"""A job function as the worker calls it: what it takes, where it runs, and what it gives back."""

from __future__ import annotations

import inspect
import json
import typing
from dataclasses import dataclass, field, is_dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import from_json

from bullpen.client.payload import NO_DATA
from bullpen.durations import Duration, seconds
from bullpen.errors import ConfigurationError, Unrecoverable
from bullpen.protocol.arguments import shown
from bullpen.runtime.parameters import context_second, hints_of, parameters_of
from bullpen.sizes import Size, size_bytes
from bullpen.unjsonable import json_text

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType

    from bullpen.context import Context
    from bullpen.retry import Retry


Timeout: typing.TypeAlias = Duration | timedelta

# A long list of wrong values has as many misfits; a reason is a line for people.
MOST_MISFITS = 10


class Encoded(str):
    """A result that is JSON text already: a process' jobs encode their own."""

    __slots__ = ()


class Run(StrEnum):
    """Where a job function runs."""

    ASYNC = "async"
    THREAD = "thread"
    PROCESS = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """One decorated function. `name` is None for the handler of every other name.

    `timeout` in seconds, `memory` in bytes: None for no limit, and for that of the worker.
    """

    name: str | None
    function: Callable[..., Any]
    run: Run
    retry: Retry | None
    takes_data: bool
    takes_context: bool
    payload: TypeAdapter[Any] | None
    payload_type: str
    timeout: float | None = None
    memory: int | None = None
    needs: Mapping[str, Any] = field(default_factory=dict)
    """The type of the resource that each further parameter asks for; they are given by name."""
    payload_class: Any = None
    """What the payload is annotated as: an instance of it has been validated."""
    returns: Any = None
    """The model that it returns, None when that is none."""

    @property
    def label(self) -> str:
        """What to call it in an error message."""
        return label_of(self.function, self.name)

    @property
    def code(self) -> CodeType | None:
        """Where the stack trace of its errors begins for a reader; None for what is no Python function."""
        return getattr(inspect.unwrap(self.function), "__code__", None)

    def read(self, data: str | bytes) -> Any:
        """The job's data as the function wants it; raises `Unrecoverable`, naming each field that does not fit."""
        if self.payload is None:
            try:
                return from_json(data, allow_inf_nan=False)
            except ValueError as error:
                raise Unrecoverable(f"data is no JSON: {error}; it starts with {_start(data)}") from None
        try:
            return self.payload.validate_json(data)
        except ValidationError as error:
            raise Unrecoverable(self._mismatch(error, data)) from None

    def check(self, data: object, value: object) -> None:
        """Raises ConfigurationError for data of a new job, `value` as JSON values, that would not fit the function."""
        if self.payload is None or type(data) is self.payload_class:
            return
        text = "{}" if value is NO_DATA else json.dumps(value)
        try:
            self.read(text)
        except Unrecoverable as misfit:
            raise ConfigurationError(f"{self.label}: {misfit}") from None

    def arguments(self, data: str | bytes, context: Callable[[], Context]) -> tuple[Any, ...]:
        """What to call the function with."""
        given = (self.read(data),) if self.takes_data else ()
        return (*given, context()) if self.takes_context else given

    def _mismatch(self, error: ValidationError, data: str | bytes) -> str:
        first = error.errors(include_url=False, include_context=False)
        if first[0]["type"] == "json_invalid":
            return f"data is no JSON: {first[0]['msg'].removeprefix('Invalid JSON: ')}; it starts with {_start(data)}"
        shown = [f"{'.'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']}" for each in first[:MOST_MISFITS]]
        if len(first) > len(shown):
            shown.append(f"and {len(first) - len(shown):,} more")
        return f"data does not fit {self.payload_type}: {'; '.join(shown)}"


def encode_result(value: object) -> bytes:
    """A return value as JSON (models by alias); raises `Unrecoverable`: running again would not change its type."""
    if value is None:
        return b"null"
    if isinstance(value, Encoded):
        return value.encode()
    try:
        return json_text(value, what="result")
    except TypeError as error:
        raise Unrecoverable(f"the job returned what is no JSON: {error}") from error


def describe(
    function: Callable[..., Any],
    *,
    name: str | None,
    run: str | None,
    retry: Retry | None,
    timeout: Timeout | None = None,
    memory: Size | None = None,
) -> Handler:
    """Read a function's signature once, when it is decorated; raises `ConfigurationError` for what cannot be called."""
    label = label_of(function, name)
    hints = hints_of(function, label)
    parameters = parameters_of(function, hints, label)
    takes_data = parameters.data is not None
    where = _where(function, run, label)
    payload, payload_type = _payload(hints.get(parameters.data or "", Any), label) if takes_data else (None, "")
    return Handler(
        name=name,
        function=context_second(function, parameters),
        run=where,
        retry=retry,
        takes_data=takes_data,
        takes_context=parameters.context is not None,
        payload=payload,
        payload_type=payload_type,
        timeout=None if timeout is None else _timeout(timeout, label),
        memory=None if memory is None else _memory(memory, where, label),
        needs=parameters.resources,
        payload_class=_model(hints.get(parameters.data or "")),
        returns=_model(hints.get("return")),
    )


def label_of(function: Callable[..., Any], name: str | None) -> str:
    """What to call a job function in an error message."""
    return f"job {name!r} ({function.__qualname__})" if name is not None else f"job {function.__qualname__}"


def _model(returned: Any) -> Any:
    """The class of what a job returns, where its JSON can be read back as one."""
    if isinstance(returned, type) and (issubclass(returned, BaseModel) or is_dataclass(returned)):
        return returned
    return None


def _payload(annotation: Any, label: str) -> tuple[TypeAdapter[Any] | None, str]:
    if annotation in (Any, object):
        return None, ""
    kind = getattr(annotation, "__name__", None) or str(annotation)
    try:
        return TypeAdapter(annotation), kind
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(
            f"{label}: its data is annotated as {kind}, which pydantic cannot validate ({reason}); "
            "use a model or JSON types"
        ) from error


def _where(function: Callable[..., Any], run: str | None, label: str) -> Run:
    is_async = inspect.iscoroutinefunction(function)
    if run is None:
        return Run.ASYNC if is_async else Run.THREAD
    try:
        where = Run(run)
    except ValueError:
        raise ConfigurationError(f'{label}: run={run!r} is unknown; use "async", "thread" or "process"') from None
    if is_async and where is Run.THREAD:
        raise ConfigurationError(f'{label}: run={run!r} needs a plain "def"; an "async def" runs on the loop')
    if not is_async and where is Run.ASYNC:
        raise ConfigurationError(f'{label}: run="async" needs an "async def"; a plain "def" runs in a thread')
    return where


def _timeout(timeout: Timeout, label: str) -> float:
    told = f"{label}: timeout={shown(timeout)}"
    limit = seconds(timeout.total_seconds() if isinstance(timeout, timedelta) else timeout, of=told)
    if limit <= 0:
        raise ConfigurationError(f"{told}: leaves no time to run; leave it out for no limit")
    return limit


def _memory(memory: Size, where: Run, label: str) -> int:
    told = f"{label}: memory={shown(memory)}"
    if where is not Run.PROCESS:
        raise ConfigurationError(f'{told}: only a job with run="process" has memory of its own; this one has {where}')
    return size_bytes(memory, of=told)


def _start(data: str | bytes) -> str:
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    return repr(text[:40])
