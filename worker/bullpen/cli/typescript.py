"""TypeScript types from the JSON Schema that pydantic writes.

The generators there are for this (json-schema-to-typescript and what wraps it) need Node where the app runs. What
pydantic emits is a small part of JSON Schema.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PLAIN: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "object": "Record<string, unknown>",
    "array": "unknown[]",
}
# Words of the language, and the names that every module has.
_RESERVED: Final = """
    any await bigint boolean break case catch class const continue debugger declare default delete do else enum
    export extends false finally for function if implements import in instanceof interface let never new null
    number object package private protected public return static string super switch symbol this throw true try
    type typeof undefined unknown var void while with yield Array Record Jobs QueueName JobName JobData JobResult
    QueueData QueueResult
"""
_END: Final = """
export type QueueName = keyof Jobs;
/** The names of a queue's jobs. */
export type JobName<Q extends QueueName> = keyof Jobs[Q] & string;
export type JobData<Q extends QueueName, N extends JobName<Q>> = Jobs[Q][N] extends { data: infer D } ? D : never;
export type JobResult<Q extends QueueName, N extends JobName<Q>> = Jobs[Q][N] extends { result: infer R } ? R : never;
/** new Queue<QueueData<"emails">, QueueResult<"emails">, JobName<"emails">>("emails") */
export type QueueData<Q extends QueueName> = { [N in JobName<Q>]: JobData<Q, N> }[JobName<Q>];
export type QueueResult<Q extends QueueName> = { [N in JobName<Q>]: JobResult<Q, N> }[JobName<Q>];
"""


def module(document: Mapping[str, Any]) -> str:
    """The module for a document of `bullpen schema`."""
    return _Writer(document).module()


class _Writer:
    """Knows the names under which the shared schemas are written."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._shared: Mapping[str, Any] = document.get("$defs", {})
        self._names: dict[str, str] = {}
        for name in self._shared:
            self._names[name] = self._free(name)

    def module(self) -> str:
        parts = ["// Written by `bullpen schema --typescript`: do not edit.\n"]
        parts += [self._declaration(name, schema) for name, schema in self._shared.items()]
        parts.append(self._jobs())
        return "\n".join(parts) + _END

    def _free(self, name: str) -> str:
        made = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or "Type"
        if made[0].isdigit() or made in _RESERVED.split():
            made = f"{made}_" if not made[0].isdigit() else f"_{made}"
        while made in self._names.values():
            made += "_"
        return made

    def _declaration(self, name: str, schema: Any) -> str:
        said = _comment(schema, "")
        if isinstance(schema, dict) and schema.get("type") == "object" and "properties" in schema and _closed(schema):
            return f"{said}export interface {self._names[name]} {self._object(schema, '')}\n"
        return f"{said}export type {self._names[name]} = {self._type(schema, '')};\n"

    def _jobs(self) -> str:
        lines = ["/** Every queue and job: what it takes, and what it gives back. */", "export interface Jobs {"]
        for queue, jobs in self._document["properties"].items():
            lines.append(f"  {json.dumps(queue)}: {{")
            for name, job in jobs["properties"].items():
                lines += self._job(json.dumps(name), job)
            if not jobs["properties"] and "additionalProperties" in jobs:
                lines += self._job("[name: string]", jobs["additionalProperties"])
            lines.append("  };")
        return "\n".join([*lines, "}", ""])

    def _job(self, name: str, job: Mapping[str, Any]) -> Iterator[str]:
        sides = job["properties"]
        if said := _comment(job, "    "):
            yield said.rstrip("\n")
        data, result = (self._type(sides[side], "    ") for side in ("data", "result"))
        yield f"    {name}: {{ data: {data}; result: {result} }};"

    def _type(self, schema: Any, indent: str) -> str:
        if schema is False:
            return "never"
        if not isinstance(schema, dict):
            return "unknown"
        if "$ref" in schema:
            return self._names[schema["$ref"].removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")]
        if "const" in schema:
            return _literal(schema["const"])
        if "enum" in schema:
            return _union([_literal(value) for value in schema["enum"]])
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return _union([self._type(each, indent) for each in schema[several]])
        if "allOf" in schema:
            return " & ".join(_grouped(self._type(each, indent)) for each in schema["allOf"])
        kind = schema.get("type")
        if isinstance(kind, list):
            return _union([self._type({**schema, "type": each}, indent) for each in kind])
        if kind == "array":
            return self._array(schema, indent)
        if kind == "object":
            return self._object(schema, indent)
        return _PLAIN.get(str(kind), "unknown")

    def _array(self, schema: Mapping[str, Any], indent: str) -> str:
        rest = schema.get("items")
        if "prefixItems" in schema:
            least = schema.get("minItems", 0)
            places = [
                f"{_grouped(kind)}?" if at >= least else kind
                for at, kind in enumerate(self._type(each, indent) for each in schema["prefixItems"])
            ]
            if rest not in (None, False) and schema.get("maxItems") != len(places):
                places.append(f"...{_grouped(self._type(rest, indent))}[]")
            return f"[{', '.join(places)}]"
        if schema.get("maxItems") == 0:
            return "[]"
        return f"{_grouped(self._type({} if rest is None else rest, indent))}[]"

    def _object(self, schema: Mapping[str, Any], indent: str) -> str:
        properties, more = schema.get("properties"), schema.get("additionalProperties")
        kinds = [self._type(each, indent) for each in schema.get("patternProperties", {}).values()]
        if more not in (None, False):
            kinds.append("unknown" if more is True else self._type(more, indent))
        record = f"Record<string, {_union(kinds)}>" if kinds else ""
        if not properties:
            return record or ("Record<string, never>" if more is False else _PLAIN["object"])
        inner = indent + "  "
        lines = ["{"]
        for name, each in properties.items():
            mark = "" if name in schema.get("required", ()) else "?"
            lines.append(f"{_comment(each, inner)}{inner}{_key(name)}{mark}: {self._type(each, inner)};")
        body = "\n".join([*lines, indent + "}"])
        # What else is allowed goes beside: an index signature would have to fit every named field too.
        return f"{body} & Record<string, unknown>" if record else body


def _closed(schema: Mapping[str, Any]) -> bool:
    """Whether it can be an interface: named fields alone."""
    return bool(schema["properties"]) and schema.get("additionalProperties") in (None, False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name, re.ASCII) else json.dumps(name)


def _literal(value: object) -> str:
    return json.dumps(value) if value is None or isinstance(value, str | int | float) else "unknown"


def _union(kinds: list[str]) -> str:
    different = list(dict.fromkeys(kinds))
    return "unknown" if "unknown" in different else " | ".join(different) or "never"


def _grouped(kind: str) -> str:
    return f"({kind})" if " | " in kind or " & " in kind else kind


def _comment(schema: Any, indent: str) -> str:
    """The description, and of a text what it is written like."""
    if not isinstance(schema, dict):
        return ""
    parts = [schema.get("description", ""), f"@format {schema['format']}" if "format" in schema else ""]
    if "default" in schema:
        parts.append(f"@default {json.dumps(schema['default'], ensure_ascii=False)}")
    text = " ".join(" ".join(filter(None, parts)).split()).replace("*/", "*\\/")
    return f"{indent}/** {text} */\n" if text else ""
