"""Amounts of memory as people write them: `"512MiB"`, `"2GiB"`, or a number of bytes."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from bullpen.errors import ConfigurationError
from bullpen.protocol.arguments import shown

Size: TypeAlias = str | int

LARGEST_BYTES: Final = 2**50

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
# As Kubernetes writes them (512Mi), with or without the B.
_TEXT = re.compile(r"(\d{1,20}(?:\.\d{1,6})?) ?(|[kmg]i?)b?", re.IGNORECASE)


def size_bytes(value: Size, *, of: str) -> int:
    """Read an amount of memory; `of` names it in the error.

    Raises ConfigurationError for anything else than a number with a unit (k, M, G, Ki, Mi, Gi, with or without B) or
    of bytes, from one byte to a pebibyte.
    """
    number: float | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and (found := _TEXT.fullmatch(value.strip())):
        number = float(found[1]) * _UNITS[found[2].lower()]
    if number is None or not 1 <= number <= LARGEST_BYTES:
        raise ConfigurationError(f'{of}: {shown(value)} is no amount of memory; write bytes or text like "512MiB"')
    return int(number)


def spoken_size(size: int) -> str:
    """An amount for a message: `512 MiB`, `1.5 GiB`."""
    if size < 2**20:
        return f"{size / 2**10:.0f} KiB"
    if size < 2**30:
        return f"{size / 2**20:.0f} MiB"
    return f"{size / 2**30:.1f}".removesuffix(".0") + " GiB"
