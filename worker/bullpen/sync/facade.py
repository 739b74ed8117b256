"""How a method that awaits becomes one that blocks: one line each, with the same signature, types and docstring."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bullpen.client.portal import Portal

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)
P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Facade[Any]")
T = TypeVar("T")


class Facade(Generic[A_co]):
    """What blocks while something of `bullpen` awaits."""

    __slots__ = ("awaiting", "portal")

    def __init__(self, awaiting: A_co, *, portal: Portal) -> None:
        self.awaiting = awaiting
        """The same in `bullpen`."""
        self.portal = portal
        """The event loop on which it awaits."""


@overload
def blocking(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Facade[A], P], T]: ...
@overload
def blocking(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]], gives: Callable[[S, T], R]
) -> Callable[Concatenate[S, P], R]: ...
def blocking(method: Callable[..., Any], gives: Callable[[Any, Any], Any] | None = None) -> Callable[..., Any]:
    """The same method, which blocks; `gives` makes a result of this module from what it returns."""

    @functools.wraps(method)
    def call(self: Facade[Any], /, *args: Any, **arguments: Any) -> Any:
        answer = self.portal.run(method(self.awaiting, *args, **arguments))
        return answer if gives is None else gives(self, answer)

    return call


@overload
def direct(method: Callable[Concatenate[A, P], T]) -> Callable[Concatenate[Facade[A], P], T]: ...
@overload
def direct(method: Callable[Concatenate[A, P], T], gives: Callable[[S, T], R]) -> Callable[Concatenate[S, P], R]: ...
def direct(method: Callable[..., Any], gives: Callable[[Any, Any], Any] | None = None) -> Callable[..., Any]:
    """The same method, for one that awaits nothing."""

    @functools.wraps(method)
    def call(self: Facade[Any], /, *args: Any, **arguments: Any) -> Any:
        answer = method(self.awaiting, *args, **arguments)
        return answer if gives is None else gives(self, answer)

    return call
