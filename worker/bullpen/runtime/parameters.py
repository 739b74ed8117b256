"""What each parameter of a job function, or of a resource, is for. Pure."""

from __future__ import annotations

import functools
import inspect
import typing
from dataclasses import dataclass
from typing import Any

from bullpen.context import Context
from bullpen.errors import ConfigurationError

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Parameters:
    """`resources`: the type that each further parameter asks for. `data` and `context` are names, if it takes them."""

    data: str | None
    context: str | None
    by_name: bool
    """Whether the context can be given by its name only."""
    resources: Mapping[str, Any]


def parameters_of(function: Callable[..., Any], hints: Mapping[str, Any], label: str) -> Parameters:
    """The data is the first in place, whatever else there is; raises ConfigurationError for what nothing can be given.

    What has a default behind the data is the function's own, but a context.
    """
    every = [
        each
        for each in inspect.signature(function).parameters.values()
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    places = [each for each in every if each.kind is not each.KEYWORD_ONLY]
    context = _context(every, places, hints)
    data = places[0] if places and places[0] is not context else None
    rest = [each for each in every if each is not context and each is not data and each.default is each.empty]
    for each in rest:
        if each.kind is each.POSITIONAL_ONLY or hints.get(each.name, Any) in (Any, object, Context):
            raise ConfigurationError(
                f"{label}: takes {', '.join(each.name for each in every)}; a job function takes its data and, if it "
                "wants, a Context: (data, ctx), and resources, by parameters that have the type of a resource"
            )
    in_place = [each for each in (data, context) if each is not None]
    return Parameters(
        data=None if data is None else data.name,
        context=None if context is None else context.name,
        by_name=context is not None and places[: len(in_place)] != in_place,
        resources=needs_of(rest, hints, label),
    )


def needs_of(parameters: list[inspect.Parameter], hints: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Which type each of these asks for. Raises ConfigurationError for one that asks for none."""
    needs: dict[str, Any] = {}
    for each in parameters:
        kind = hints.get(each.name, Any)
        if kind in (Any, object):
            raise ConfigurationError(f"{label}: parameter {each.name!r} has no type: annotate it with a resource's")
        check_key(kind, f"{label}: parameter {each.name!r}")
        needs[each.name] = kind
    return needs


def check_key(kind: Any, told: str) -> None:
    """Raises ConfigurationError for an annotation by which nothing can be looked up."""
    try:
        hash(kind)
    except TypeError:
        raise ConfigurationError(f"{told} is annotated as {kind}, which cannot be hashed: use a class") from None


def hints_of(function: Callable[..., Any], label: str) -> dict[str, Any]:
    """Its annotations. Raises ConfigurationError for names that do not exist at run time."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ConfigurationError(
            f"{label}: its annotation names {error.name!r}, which does not exist at run time; "
            "import it outside `if TYPE_CHECKING` and define it at module level"
        ) from error


def context_second(function: Callable[..., Any], parameters: Parameters) -> Callable[..., Any]:
    """The function, to be called as all are: (data, ctx, **resources), wherever its context stands."""
    name = parameters.context
    if name is None or not parameters.by_name:
        return function

    @functools.wraps(function)
    def call(*given: Any, **resources: Any) -> Any:
        return function(*given[:-1], **{name: given[-1]}, **resources)

    return call


def shown_type(kind: Any) -> str:
    """A type as people write it."""
    return kind.__qualname__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind)


def _context(
    every: list[inspect.Parameter], places: list[inspect.Parameter], hints: Mapping[str, Any]
) -> inspect.Parameter | None:
    for each in every:
        hint = hints.get(each.name)
        if hint is Context or Context in typing.get_args(hint):
            return each
    for each in every:
        if each.name == "ctx":
            return each
    # (data, whatever), without a type: so job functions were always written.
    if len(places) > 1 and places[1].default is places[1].empty and places[1].name not in hints:
        return places[1]
    return None
