"""A job function as the worker calls it: what it takes, where it runs, and what it gives back."""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from bullpen.context import Context
from bullpen.errors import ConfigurationError, Unrecoverable

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen.retry import Retry


# A long list of wrong values has as many misfits; a reason is a line for people.
MOST_MISFITS = 10


class Run(StrEnum):
    """Where a job function runs."""

    ASYNC = "async"
    THREAD = "thread"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """One decorated function. `name` is None for the handler of every other name."""

    name: str | None
    function: Callable[..., Any]
    run: Run
    retry: Retry | None
    takes_data: bool
    takes_context: bool
    payload: TypeAdapter[Any] | None
    payload_type: str
    timeout: float | None = None

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
    try:
        return to_json(value, by_alias=True, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError) as error:
        kind = type(value).__qualname__
        raise Unrecoverable(
            f"the job returned a {kind} that is no JSON: {error}; return JSON values or a model"
        ) from error


def describe(function: Callable[..., Any], *, name: str | None, run: str | None, retry: Retry | None) -> Handler:
    """Read a function's signature once, when it is decorated; raises `ConfigurationError` for what cannot be called."""
    label = f"job {name!r} ({function.__qualname__})" if name is not None else f"job {function.__qualname__}"
    parameters = _parameters(function, label)
    hints = _hints(function, label)
    takes_context = bool(parameters) and (
        len(parameters) == 2 or hints.get(parameters[0].name) is Context or parameters[0].name == "ctx"
    )
    takes_data = len(parameters) - takes_context == 1
    payload, payload_type = _payload(hints.get(parameters[0].name, Any), label) if takes_data else (None, "")
    return Handler(
        name=name,
        function=function,
        run=_where(function, run, label),
        retry=retry,
        takes_data=takes_data,
        takes_context=takes_context,
        payload=payload,
        payload_type=payload_type,
    )


def _parameters(function: Callable[..., Any], label: str) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(function).parameters.values())
    required = [each for each in parameters if each.default is each.empty]
    places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    # The first place is the data's even when it has a default; what has one behind it is the function's own.
    wanted = [
        each
        for place, each in enumerate(places)
        if place == 0 or each in required or (place == 1 and each.name == "ctx")
    ]
    unknown = [each for each in required if each.kind is each.KEYWORD_ONLY]
    if len(wanted) > 2 or unknown:
        raise ConfigurationError(
            f"{label}: takes {', '.join(each.name for each in parameters)}; "
            "a job function takes its data and, if it wants, a Context: (data, ctx)"
        )
    return wanted


def _hints(function: Callable[..., Any], label: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ConfigurationError(
            f"{label}: its annotation names {error.name!r}, which does not exist at run time; "
            "import it outside `if TYPE_CHECKING` and define it at module level"
        ) from error


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
        raise ConfigurationError(f'{label}: run={run!r} is unknown; use "async" or "thread"') from None
    if is_async and where is not Run.ASYNC:
        raise ConfigurationError(f'{label}: run={run!r} needs a plain "def"; an "async def" runs on the loop')
    if not is_async and where is Run.ASYNC:
        raise ConfigurationError(f'{label}: run="async" needs an "async def"; a plain "def" runs in a thread')
    return where


def _start(data: str | bytes) -> str:
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    return repr(text[:40])
