"""Data of jobs, as JSON values."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from bullpen.client.payload import NO_DATA
from bullpen.errors import ConfigurationError

__all__ = ["NO_DATA", "plain"]


def plain(name: str, data: object) -> Any:
    """Data of a job of that name as JSON values; raises ConfigurationError for what JSON cannot say."""
    if data is NO_DATA:
        return data
    try:
        return to_jsonable_python(data, by_alias=True, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError) as error:
        raise ConfigurationError(f"data of job {name!r} is no JSON: {error}; use a model or JSON values") from error
