"""How all models of the resource are read and written, and what several of their fields carry into the CRD."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from bullpen_operator.api.rules import Extension

INT32: Final = Extension("format", "int32")


class Model(BaseModel):
    """camelCase outside, snake_case inside, never changed after it was read."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


def section() -> dict[str, Any]:
    """`default: {}` in the CRD, which makes the API server fill in the defaults inside."""
    return {"default": {}}
