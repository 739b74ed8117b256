"""A WorkerPool from a file, with the sentences that the API server would refuse it with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from bullpen.errors import ConfigurationError
from bullpen_operator.api.pool import KIND, WorkerPoolSpec
from bullpen_operator.api.rules import Rule
from bullpen_operator.cli.extra import needed

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPARISON: Final = re.compile(r"self (>=|<=) (\d+)")


def pool_spec(text: str, *, name: str, queue: str | None = None) -> WorkerPoolSpec:
    """The spec of the file's WorkerPool; of several, the one for `queue`. Raises ConfigurationError."""
    with needed("-f"):
        import yaml
    try:
        documents = [found for found in yaml.safe_load_all(text) if isinstance(found, dict)]
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{name} is no YAML: {' '.join(str(error).split())}") from error
    items = [item for found in documents for item in (found.get("items") or [found]) if isinstance(item, dict)]
    pools = [item for item in items if item.get("kind") == KIND]
    chosen = [pool for pool in pools if queue is None or (pool.get("spec") or {}).get("queue") == queue]
    if len(chosen) != 1:
        there = ", ".join(str((pool.get("spec") or {}).get("queue")) for pool in pools) or "none"
        wanted = f"for the queue {queue!r}" if queue is not None else "(name one with --queue)"
        raise ConfigurationError(f"{name} has {len(chosen)} WorkerPools {wanted}; the queues of its pools: {there}")
    return checked(chosen[0].get("spec") or {}, name=name)


def checked(spec: dict[str, Any], *, name: str) -> WorkerPoolSpec:
    """The model, with the bounds of its numbers, which else the API server looks after. Raises ConfigurationError."""
    try:
        model = WorkerPoolSpec.model_validate(spec)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{name}: spec.{where}: {first['msg'][:1].lower()}{first['msg'][1:]}") from error
    for message in broken(model):
        raise ConfigurationError(f"{name}: {message}")
    if model.scaling.min_replicas > model.scaling.max_replicas:
        raise ConfigurationError(
            f"{name}: scaling.minReplicas is above scaling.maxReplicas: lower the one or raise the other."
        )
    return model


def broken(model: BaseModel) -> Iterator[str]:
    """The messages of the rules that compare a number and do not hold; other rules take CEL."""
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, BaseModel):
                yield from broken(part)
        if isinstance(value, int):
            yield from (rule.message for rule in field.metadata if isinstance(rule, Rule) and not _holds(rule, value))


def _holds(rule: Rule, value: int) -> bool:
    parts = [_COMPARISON.fullmatch(part) for part in rule.expression.split(" && ")]
    return all(part is None or (value >= int(part[2]) if part[1] == ">=" else value <= int(part[2])) for part in parts)
