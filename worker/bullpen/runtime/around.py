"""What an app puts around its jobs: resources, lifespans, middleware and hooks, as they were declared."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bullpen.errors import BullpenError, ConfigurationError
from bullpen.runtime.keeper import Keeper
from bullpen.runtime.resources import Resources, opened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bullpen.context import Context
    from bullpen.runtime.handler import Handler
    from bullpen.runtime.resource import Resource

CallNext: TypeAlias = Callable[[], Awaitable[Any]]
"""The layers within, and the job: returns what the job returns, raises what it raises."""
Middleware: TypeAlias = "Callable[[Context, CallNext], Awaitable[Any]]"
Lifespan: TypeAlias = Callable[[], Any]

logger = logging.getLogger("bullpen.WorkerService")


@dataclass(frozen=True, slots=True)
class Around:
    """`resources` by what they provide; the first of the `middleware` is the outermost."""

    resources: Mapping[Any, Resource] = field(default_factory=lambda: MappingProxyType({}))
    lifespans: Sequence[Lifespan] = ()
    middleware: Sequence[Middleware] = ()


NOTHING: Final = Around()


def layered(middleware: Sequence[Middleware], context: Context, job: CallNext) -> Awaitable[Any]:
    """The job within all layers."""
    call = job
    for each in reversed(middleware):
        call = partial(each, context, call)
    return call()


class Surroundings:
    """What is there as long as a worker: its lifespans, and within them its resources."""

    def __init__(self, around: Around, handlers: Sequence[Handler]) -> None:
        """Raises ConfigurationError when a job function asks for what no resource provides."""
        self._around = around
        self._keeper = Keeper(logger=logger)
        self.resources = Resources(around.resources, keeper=self._keeper)
        self.resources.check(handlers)

    async def start(self, handlers: Iterable[Handler]) -> None:
        """Enter the lifespans in their order, then make what these job functions ask for.

        Raises BullpenError, in one line, for the first of them that cannot be.
        """
        for lifespan in self._around.lifespans:
            label = f"lifespan {named(lifespan)}"
            try:
                await self._keeper.enter(label, partial(opened, lifespan, {}, opens=True))
            except Exception as error:
                raise BullpenError(
                    f"{label} could not begin: {type(error).__name__}: {' '.join(str(error).split())}"
                ) from error
        await self.resources.prepare(handlers)

    async def aclose(self) -> None:
        """Leave them in reverse order; what goes wrong is logged."""
        await self._keeper.aclose()


def check_lifespan(function: Lifespan) -> None:
    """Raises ConfigurationError for what cannot be entered."""
    made = inspect.unwrap(function) if callable(function) else function
    if not inspect.isasyncgenfunction(made) and not (isinstance(made, type) and hasattr(made, "__aenter__")):
        raise ConfigurationError(f"lifespan {named(function)}: must be an async generator, or give an async with")
    if any(each.default is each.empty for each in inspect.signature(function).parameters.values()):
        raise ConfigurationError(f"lifespan {named(function)}: is called without arguments")


def check_middleware(function: Middleware) -> None:
    """Raises ConfigurationError for what is no `async def (ctx, call_next)`."""
    if not callable(function) or not (
        inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    ):
        raise ConfigurationError(f"middleware {named(function)}: must be async def {named(function)}(ctx, call_next)")
    try:
        inspect.signature(function).bind(None, None)
    except TypeError as error:
        raise ConfigurationError(
            f"middleware {named(function)}: is called with (ctx, call_next), which it does not take: {error}"
        ) from None


def named(function: object) -> str:
    """What to call a function in a message."""
    return getattr(function, "__qualname__", None) or type(function).__qualname__
