"""Writing values as JSON, and saying where in them the one is that cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json


def json_text(value: object, *, what: str) -> bytes:
    """A value as JSON, models by alias, NaN as null.

    Raises TypeError that names the place and the type of what is no JSON: `result.items[3].when: a Decimal …`.
    """
    try:
        return to_json(value, by_alias=True, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise TypeError(_told(value, error, what)) from error


def _told(value: object, error: Exception, what: str) -> str:
    path, culprit = what, value
    seen: set[int] = set()
    while id(culprit) not in seen:
        seen.add(id(culprit))
        deeper = next(((at, each) for at, each in _parts(culprit) if not _sayable(each)), None)
        if deeper is None:
            reason = " ".join(str(error).split())
            return f"{path}: a {_type(culprit)} is no JSON ({reason}); use JSON values or a model"
        path, culprit = path + deeper[0], deeper[1]
    return f"{path}: a {_type(culprit)} that contains itself is no JSON"


def _sayable(value: object) -> bool:
    try:
        to_json(value, by_alias=True, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError, RecursionError):
        return False
    return True


def _parts(value: object) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield (f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]"), each
    elif isinstance(value, list | tuple | set | frozenset):
        for place, each in enumerate(value):
            yield f"[{place}]", each
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield f".{name}", getattr(value, name, None)
    elif is_dataclass(value) and not isinstance(value, type):
        for each_field in fields(value):
            yield f".{each_field.name}", getattr(value, each_field.name, None)


def _type(value: object) -> str:
    kind = type(value)
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
