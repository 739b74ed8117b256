"""CEL rules as annotations on the models, so that a field and the sentence that guards it stand together.

The API server evaluates them (KEP-2876). They replace `minimum`, `pattern` and `minLength` wherever a person
may go wrong: those only say what was expected, a rule's message also says what to change, and the API server
reports no rule while one of them fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL expression over the annotated field (`self`) and the full sentence shown when it is false.

    `field` is the path, relative to the annotated field, that the message is to point at. Messages hold no
    values: CEL's cost estimate for joining unbounded strings exceeds what the API server allows a rule.
    """

    expression: str
    message: str
    field: str | None = None

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return with_rules(handler.resolve_ref_schema(handler(core)), self)


@dataclass(frozen=True, slots=True)
class Extension:
    """A key of the CRD's schema that the Python type does not tell, such as `maxLength` or `x-kubernetes-list-type`."""

    key: str
    value: Any

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler.resolve_ref_schema(handler(core)), self.key: self.value}


def with_rules(schema: dict[str, Any], *rules: Rule) -> dict[str, Any]:
    """The schema with the rules added after those it has."""
    added = []
    for rule in rules:
        entry = {"rule": rule.expression, "message": rule.message}
        if rule.field is not None:
            entry["fieldPath"] = rule.field
        added.append(entry)
    return {**schema, "x-kubernetes-validations": [*schema.get("x-kubernetes-validations", []), *added]}
