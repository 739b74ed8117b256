"""Kubernetes quantities, as far as they are reckoned with: CPU."""

from __future__ import annotations

import re
from typing import Final

# apimachinery's pkg/api/resource/quantity.go; binary suffixes and exponents are no way to write CPU.
_DECIMAL: Final = re.compile(r"(\d+\.?\d*|\.\d+)(n|u|m|k|)")
_FACTORS: Final = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}


def cores(quantity: object) -> float | None:
    """CPU cores of a quantity such as "500m" or 2; None when it is no positive amount that people write."""
    match = _DECIMAL.fullmatch(str(quantity).strip())
    found = float(match[1]) * _FACTORS[match[2]] if match is not None else 0.0
    return found if found > 0 else None
