"""Values on their way into JSON fields, printed as JSON.stringify prints them."""

from __future__ import annotations

import json
from typing import Any, Final

from bullpen.errors import ConfigurationError


class _NoData:
    """Told apart from None, which is JSON's null."""

    def __repr__(self) -> str:
        return "NO_DATA"


NO_DATA: Final = _NoData()
# json.dumps would make a new encoder for each value.
_written: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def job_data(name: object, data: Any) -> str:
    """A job's data as JSON text. Raises ConfigurationError, also for a name that is none."""
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"job name is {name!r}: give a text that is not empty")
    return "{}" if data is NO_DATA else dump(data, what=f"data of job {name!r}")


def dump(value: Any, *, what: str) -> str:
    """Compact JSON text, not escaped beyond what JSON needs; `what` names the value in errors.

    Raises ConfigurationError for what JSON cannot say: NaN, infinities, cycles, sets, objects.
    """
    try:
        text = _written(value)
    except RecursionError as error:
        raise ConfigurationError(f"{what} cannot be written as JSON: it is nested too deeply") from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{what} cannot be written as JSON: {error}; use objects, lists, text, finite numbers, true, false, null"
        ) from error
    # JSON.stringify writes half of a surrogate pair as an escape, which is exactly what this error handler does.
    return text.encode("utf-8", "backslashreplace").decode()
