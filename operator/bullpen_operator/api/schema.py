"""pydantic's JSON Schema → the structural schema that a CustomResourceDefinition takes.

Structural schemas (KEP-1693 and the Kubernetes documentation, "Specifying a structural schema") know neither
`$ref` nor `title`, and say "may be missing" instead of "or null".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

Schema = dict[str, Any]


def structural(model: type[BaseModel]) -> Schema:
    """The model's schema, self-contained.

    Raises:
        TypeError: the model holds a union, which no structural schema can say.
    """
    schema = model.model_json_schema(by_alias=True)
    return _expanded(schema, schema.get("$defs", {}))


def _expanded(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    schema = _without_null(_resolved(schema, definitions), definitions)
    result: Schema = {}
    for key, value in schema.items():
        if key in ("title", "$defs") or (key == "default" and value is None):
            continue
        if key == "properties":
            result[key] = {name: _expanded(inner, definitions) for name, inner in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            result[key] = _expanded(value, definitions)
        else:
            result[key] = value
    return result


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """A reference replaced by what it names; what stands beside it, such as a description, stays."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return _resolved({**definitions[reference.rsplit("/", 1)[-1]], **beside}, definitions)


def _without_null(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """`X or null` → X; int-or-string, the one union Kubernetes knows, stays as it is."""
    choices = schema.get("anyOf")
    if choices is None or schema.get("x-kubernetes-int-or-string"):
        return schema
    real = [choice for choice in choices if choice.get("type") != "null"]
    if len(real) != 1:
        raise TypeError(f"a structural schema has no unions, but {schema.get('title')} is one of {choices}")
    beside = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**_resolved(real[0], definitions), **beside}
