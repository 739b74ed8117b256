"""The resources of one process: each made once, when it is first needed, and closed at the end in reverse order."""

from __future__ import annotations

import contextlib
import inspect
import logging
from typing import TYPE_CHECKING, Any

from bullpen.errors import BullpenError
from bullpen.runtime.keeper import Keeper
from bullpen.runtime.resource import check_resources, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bullpen.runtime.handler import Handler
    from bullpen.runtime.keeper import Leave
    from bullpen.runtime.resource import Resource

logger = logging.getLogger("bullpen.WorkerService")


class Resources:
    """Used from one event loop, whichever that is. `keeper` closes them together with what it has entered before."""

    def __init__(self, declared: Mapping[Any, Resource], *, keeper: Keeper | None = None) -> None:
        self._declared = declared
        self._keeper = keeper or Keeper(logger=logger)
        self._made: dict[Any, Any] = {}

    def check(self, handlers: Iterable[Handler]) -> None:
        """Raises ConfigurationError when these job functions ask for what no resource provides."""
        check_resources(self._declared)
        in_order(self._declared, handlers)

    async def prepare(self, handlers: Iterable[Handler]) -> None:
        """Make all that these job functions ask for. Raises BullpenError, in one line, for the one that cannot be made.

        Raises ConfigurationError as `check` does.
        """
        for resource in in_order(self._declared, handlers):
            try:
                await self._make(resource)
            except BullpenError:
                raise
            except Exception as error:
                raise BullpenError(
                    f"{resource.label} could not be made: {type(error).__name__}: {' '.join(str(error).split())}"
                ) from error

    async def provide(self, handler: Handler) -> dict[str, Any]:
        """By parameter, what this job function asks for, made now if need be; raises what making it raises."""
        if not handler.needs:
            return {}
        if any(kind not in self._made for kind in handler.needs.values()):
            for resource in in_order(self._declared, [handler]):
                await self._make(resource)
        return {name: self._made[kind] for name, kind in handler.needs.items()}

    async def aclose(self) -> None:
        """Close those that were made, the last one first; what goes wrong is logged."""
        await self._keeper.aclose()
        self._made.clear()

    async def _make(self, resource: Resource) -> None:
        if resource.provides not in self._made:
            # One after the other: whoever asks for the same one meanwhile finds it made.
            await self._keeper.enter(resource.label, lambda: self._opening(resource))

    async def _opening(self, resource: Resource) -> tuple[Any, Leave | None]:
        if resource.provides in self._made:
            return self._made[resource.provides], None
        needs = {name: self._made[kind] for name, kind in resource.needs.items()}
        value, leave = await opened(resource.function, needs, opens=resource.opens)
        self._made[resource.provides] = value
        return value, leave


async def opened(
    function: Callable[..., Any], arguments: Mapping[str, Any], *, opens: bool
) -> tuple[Any, Leave | None]:
    """What the function makes, entered when it `opens`, and how to leave it."""
    made = function(**arguments)
    if inspect.isawaitable(made):
        made = await made
    if not opens:
        return made, None
    if inspect.isasyncgen(made):
        made = contextlib.asynccontextmanager(lambda: made)()
    elif inspect.isgenerator(made):
        made = contextlib.contextmanager(lambda: made)()
    if hasattr(made, "__aenter__"):
        return await made.__aenter__(), lambda: made.__aexit__(None, None, None)

    async def leave() -> None:
        made.__exit__(None, None, None)

    return made.__enter__(), leave
