"""Data of jobs, as JSON values."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from bullpen.client.payload import NO_DATA
from bullpen.errors import ConfigurationError, ProtocolError
from bullpen.protocol.arguments import shown
from bullpen.protocol.numbers import LARGEST

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["NO_DATA", "plain", "typed"]

T = TypeVar("T")

DEEPEST: Final = 99
"""How many lists and objects deep data may be: deeper JSON is refused by parsers in one language or another."""


_JSON: Final = frozenset((dict, list, str, int, float, bool, type(None)))


class _NotJSON(ValueError):
    """Why a value is refused."""


def plain(name: str, data: object) -> Any:
    """Data of a job of that name as JSON values.

    Raises ConfigurationError for what JSON cannot say, and for what other readers would understand otherwise: sets and
    bytes outside of models, whole numbers beyond 2^53, text that is no Unicode, NaN, more than 99 levels.
    """
    if data is NO_DATA:
        return data
    try:
        if _check(data, 0):
            return data
        value = to_jsonable_python(data, by_alias=True, inf_nan_mode="constants")
        _check(value, 0)  # what models and dataclasses hold
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"data of job {shown(name)} is no JSON: {error}; use a model or JSON values"
        ) from error
    return value


@lru_cache(maxsize=256)
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", kind))


def typed(value: object, kind: type[T], *, what: str) -> T:
    """JSON values as a type that pydantic understands. Raises ProtocolError, which begins with `what`."""
    try:
        read: T = _adapter(cast("Hashable", kind)).validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        at = ".".join(map(str, first["loc"])) or "the whole"
        name = getattr(kind, "__name__", None) or str(kind)
        raise ProtocolError(f"{what} that is no {name}: {at}: {first['msg']}") from None
    return read


def _check(value: object, depth: int) -> bool:
    """Whether it is JSON as it stands. Raises _NotJSON for a JSON value that some reader would not understand."""
    as_it_stands = type(value) in _JSON
    if isinstance(value, dict):
        _check_depth(depth)
        for key, each in value.items():
            if key is None or isinstance(key, tuple):
                raise _NotJSON(f"{shown(key)} is no name of a field (give text)")
            _check_single(key)
            as_it_stands = _check(each, depth + 1) and as_it_stands and type(key) is str
    elif isinstance(value, list | tuple):
        _check_depth(depth)
        for each in value:
            as_it_stands = _check(each, depth + 1) and as_it_stands
    else:
        _check_single(value)
    return as_it_stands


def _check_single(value: object) -> None:
    if isinstance(value, str):
        if not value.isascii():
            _check_unicode(value)
    elif isinstance(value, int):
        if not -LARGEST <= value <= LARGEST:
            raise _NotJSON(f"{shown(value)} is beyond 2^53, and not exact in JavaScript (write it as text)")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _NotJSON(f"{value} is no JSON number")
    elif isinstance(value, complex | bytes | bytearray | memoryview | set | frozenset):
        raise _NotJSON(f"{type(value).__name__} {shown(value)} has no place in JSON (give text, or a list)")


def _check_depth(depth: int) -> None:
    if depth >= DEEPEST:
        raise _NotJSON(f"it is nested more than {DEEPEST} deep, or contains itself")


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _NotJSON(f"{shown(text)} is no Unicode ({error.reason})") from None
