"""`bullpen schema`: what the jobs of an app take and give back, for producers in any language."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click
from pydantic import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

from bullpen.cli.loading import load_app
from bullpen.cli.serve import app_argument
from bullpen.cli.target import debug

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.json_schema import JsonSchemaMode

    from bullpen.app import App
    from bullpen.runtime.handler import Handler

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@click.command()
@app_argument
@click.option("--typescript", is_flag=True, help="Types for a producer in TypeScript instead.")
@click.option("-o", "--output", type=click.File("w", encoding="utf-8", lazy=True), help="Write it to this file.")
@debug
def schema(app: str | None, typescript: bool, output: Any) -> None:
    """Print the JSON Schema (draft 2020-12) of what the jobs of an app take and give back.

    The schema of a queue's job is at properties/QUEUE/properties/JOB, its parts are `data` and `result`; that of a
    function for every other name is the queue's additionalProperties. Fields have the names that they have in Redis.
    """
    made = document(load_app(app), title=f"Jobs of {app}")
    if typescript:
        from bullpen.cli.typescript import module

        text = module(made)
    else:
        import json

        text = json.dumps(made, ensure_ascii=False, indent=2) + "\n"
    click.echo(text, nl=False, file=output)


@dataclass(frozen=True, slots=True)
class _Part:
    """One side of a job: `mode` is how pydantic calls the direction."""

    queue: str
    job: str | None
    side: typing.Literal["data", "result"]
    adapter: TypeAdapter[Any]

    @property
    def mode(self) -> JsonSchemaMode:
        return "validation" if self.side == "data" else "serialization"

    @property
    def key(self) -> tuple[str, str | None, str]:
        return self.queue, self.job, self.side


def document(app: App, *, title: str) -> dict[str, Any]:
    """The schema of a JSON object with every queue and job, so that it is a valid schema itself.

    What has no JSON Schema (a type with a validator of its own, say) is `true`, and is told on standard error.
    """
    parts = [part for part in _parts(app) if _sayable(part)]
    schemas, shared = TypeAdapter.json_schemas(
        [(part.key, part.mode, part.adapter) for part in parts], by_alias=True, ref_template="#/$defs/{model}"
    )
    found = {key: schema for (key, _mode), schema in schemas.items()}
    made: dict[str, Any] = {"$schema": DIALECT, "title": title, "type": "object", "properties": {}}
    for queue in app.queues.values():
        jobs: dict[str, Any] = {"type": "object", "properties": {}}
        for handler in queue.handlers:
            sides = {side: found.get((queue.name, handler.name, side), {}) for side in ("data", "result")}
            job = {"type": "object", "properties": sides, "required": ["data", "result"]}
            if handler.function.__doc__:
                job["description"] = " ".join(handler.function.__doc__.split())
            if handler.name is None:
                jobs["additionalProperties"] = job
            else:
                jobs["properties"][handler.name] = job
        made["properties"][queue.name] = jobs
    return {**made, **shared}


def _parts(app: App) -> Iterator[_Part]:
    for queue in app.queues.values():
        for handler in queue.handlers:
            if handler.payload is not None:
                yield _Part(queue.name, handler.name, "data", handler.payload)
            result = _result(handler)
            if result is not None:
                yield _Part(queue.name, handler.name, "result", result)


def _result(handler: Handler) -> TypeAdapter[Any] | None:
    """None where the function does not say what it returns."""
    hints = typing.get_type_hints(handler.function, include_extras=True)
    kind = hints.get("return", Any)
    if kind in (Any, object):
        return None
    try:
        return TypeAdapter(kind)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        _tell(handler.name, "result", error)
        return None


def _sayable(part: _Part) -> bool:
    try:
        part.adapter.json_schema(mode=part.mode)
    except (PydanticInvalidForJsonSchema, PydanticUserError) as error:
        _tell(part.job, part.side, error)
        return False
    return True


def _tell(job: str | None, side: str, error: Exception) -> None:
    name = "every other name" if job is None else repr(job)
    why = str(error).splitlines()[0]
    click.echo(f"bullpen: job {name}: its {side} has no JSON Schema, so anything fits: {why}", err=True)
