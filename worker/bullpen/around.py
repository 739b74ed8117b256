"""The part of `App` that declares what is around its jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from bullpen.errors import ConfigurationError
from bullpen.hooks import Hooked
from bullpen.runtime.around import Around, Lifespan, Middleware, check_lifespan, check_middleware
from bullpen.runtime.parameters import shown_type
from bullpen.runtime.resource import Resource, describe_resource

C = TypeVar("C", bound=Callable[..., Any])
L = TypeVar("L", bound=Lifespan)
M = TypeVar("M", bound=Middleware)


class AppAround(Hooked):
    """Resources, lifespans and middleware."""

    def __init__(self) -> None:
        super().__init__()
        self._resources: dict[Any, Resource] = {}
        self._lifespans: list[Lifespan] = []
        self._middleware: list[Middleware] = []

    @property
    def around(self) -> Around:
        """Resources, lifespans and middleware declared so far."""
        return Around(self._resources, tuple(self._lifespans), tuple(self._middleware))

    def resource(self, function: C) -> C:
        """Declare how something is made that job functions get by parameters of its type, once in each process.

        A plain or async function, a generator or a context manager's (plain or async; what follows the `yield` closes
        it). Its own parameters are other resources. It is made when the worker starts, or in a process of jobs when
        the first one needs it, and closed at the end, the last one first.
        Raises ConfigurationError when its return annotation does not say what it provides, or is provided already.

            @app.resource
            async def pool() -> AsyncIterator[Pool]:
                async with Pool(DATABASE_URL) as pool:
                    yield pool
        """
        made = describe_resource(function)
        if made.provides in self._resources:
            known = self._resources[made.provides].function.__qualname__
            raise ConfigurationError(
                f"{made.label}: {shown_type(made.provides)} is provided by {known} already; "
                'tell them apart: Annotated[T, "name"], in the return type and in the parameters'
            )
        self._resources[made.provides] = made
        return function

    def lifespan(self, function: L) -> L:
        """Declare what surrounds the worker's life: an async generator without parameters, or an async context manager.

        Entered before the resources are made and the first job is claimed, left after the last one has ended; several
        in the order declared. It does not run in processes of jobs. Raises ConfigurationError for anything else.
        """
        check_lifespan(function)
        self._lifespans.append(function)
        return function

    def middleware(self, function: M) -> M:
        """Declare a layer around every job that a function handles: `async def (ctx, call_next)`.

        `await call_next()` runs the layers within, and the job; it returns what the job returns and raises what it
        raises. What the layer returns or raises counts: it may see, replace or refuse. The first one declared is the
        outermost. It runs on the worker's event loop, wherever the job runs. Raises ConfigurationError for what cannot
        be called so.
        """
        check_middleware(function)
        self._middleware.append(function)
        return function
