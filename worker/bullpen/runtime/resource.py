"""A resource as it is declared: a function whose return type other functions ask for. Pure."""

from __future__ import annotations

import collections.abc
import contextlib
import inspect
import typing
from dataclasses import dataclass
from typing import Any

from bullpen.errors import ConfigurationError
from bullpen.runtime.parameters import check_key, hints_of, needs_of, shown_type

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bullpen.runtime.handler import Handler

_GENERATORS = (
    collections.abc.Generator,
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.AsyncGenerator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
)
_MANAGERS = (contextlib.AbstractContextManager, contextlib.AbstractAsyncContextManager)


@dataclass(frozen=True, slots=True)
class Resource:
    """`opens`: what the function gives is entered, and left at the end. `needs`: the type each parameter asks for."""

    provides: Any
    function: Callable[..., Any]
    needs: Mapping[str, Any]
    opens: bool

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return f"resource {shown_type(self.provides)} ({self.function.__qualname__})"


def describe_resource(function: Callable[..., Any]) -> Resource:
    """Read a function's signature; raises ConfigurationError when its return type does not say what it provides."""
    if not callable(function) or isinstance(function, type):
        raise ConfigurationError(f"resource {function!r}: decorate a function that makes it")
    label = f"resource {function.__qualname__}"
    hints = hints_of(function, label)
    returned = hints.get("return", Any)
    origin, arguments = typing.get_origin(returned), typing.get_args(returned)
    made = inspect.unwrap(function)  # of `contextmanager` and `asynccontextmanager`
    generates = inspect.isgeneratorfunction(made) or inspect.isasyncgenfunction(made)
    if generates != (origin in _GENERATORS):
        raise ConfigurationError(
            f"{label}: is annotated as {shown_type(returned)}; "
            + ("a generator is annotated as Iterator[T] or AsyncIterator[T]" if generates else "it is no generator")
        )
    opens = generates or origin in _MANAGERS
    provides = arguments[0] if opens and arguments else returned
    if provides in (Any, object, None, type(None)):
        raise ConfigurationError(f"{label}: its return type says which parameters get it: annotate it with a class")
    check_key(provides, f"{label}: what it returns")
    required = [
        each
        for each in inspect.signature(function).parameters.values()
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    if any(each.kind is each.POSITIONAL_ONLY for each in required):
        raise ConfigurationError(f"{label}: its parameters are given by name, and it takes some by place only")
    return Resource(provides=provides, function=function, needs=needs_of(required, hints, label), opens=opens)


def in_order(declared: Mapping[Any, Resource], handlers: Iterable[Handler]) -> list[Resource]:
    """What these job functions ask for, each behind what it asks for itself.

    Raises ConfigurationError for a type that no resource provides, and for resources that ask for each other.
    """
    ordered: dict[Any, Resource] = {}
    for handler in handlers:
        for resource in _needed(declared, handler.needs, by=handler.label, above=()):
            ordered.setdefault(resource.provides, resource)
    return list(ordered.values())


def check_resources(declared: Mapping[Any, Resource]) -> None:
    """The same for those that no job function asks for (yet)."""
    for resource in declared.values():
        _needed(declared, resource.needs, by=resource.label, above=(resource,))


def _needed(
    declared: Mapping[Any, Resource], needs: Mapping[str, Any], *, by: str, above: tuple[Resource, ...]
) -> list[Resource]:
    found: list[Resource] = []
    for name, kind in needs.items():
        resource = declared.get(kind)
        if resource is None:
            known = ", ".join(sorted(map(shown_type, declared))) or "none"
            raise ConfigurationError(
                f"{by}: parameter {name!r} asks for {shown_type(kind)}, which no @app.resource provides "
                f"(there are: {known}); declare one, or give the parameter a default"
            )
        if resource in above:
            circle = " → ".join(shown_type(each.provides) for each in (*above[above.index(resource) :], resource))
            raise ConfigurationError(f"{resource.label}: resources ask for each other: {circle}")
        found += _needed(declared, resource.needs, by=resource.label, above=(*above, resource))
        found.append(resource)
    return found
