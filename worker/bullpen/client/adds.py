"""Single adds of one queue, gathered: what is added in one turn of the event loop leaves as one call.

A call costs Redis several times what a job of a larger call does. An add with nothing else on its way leaves by itself,
at once.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bullpen.client.bulk import CHUNK_BYTES
from bullpen.errors import BullpenError, ConnectionLost, ProtocolError
from bullpen.protocol.calls.bulk import together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bullpen.client.connection import Link
    from bullpen.protocol.call import Call
    from bullpen.protocol.replies import Added

_Waiting: TypeAlias = "tuple[Call[Added], asyncio.Future[Added]]"

# Redis works on the first call while those behind it are still put together.
MOST_JOBS: Final = 32


class Adds:
    """Makes calls of `protocol.calls.add`, several of them in one where they come at the same time."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._gathered: list[_Waiting] = []
        self._bytes = 0
        self._alone = False

    async def run(self, call: Call[Added], *, size: int) -> Added:
        """The reply to the call, whose data has `size` characters; raises what `Link.run` does.

        What spoils a call of several is none of the others' business: each is then repeated alone, in their order.
        """
        if not self._alone and not self._gathered:
            self._alone = True
            try:
                return await self._link.run(call)
            finally:
                self._alone = False
        future: asyncio.Future[Added] = self._loop.create_future()
        self._gathered.append((call, future))
        self._bytes += size
        if len(self._gathered) == MOST_JOBS or self._bytes >= CHUNK_BYTES:
            self._leave()
        elif len(self._gathered) == 1:
            self._loop.call_soon(self._leave)
        return await future

    def _leave(self) -> None:
        waiting = [each for each in self._gathered if not each[1].done()]
        self._gathered, self._bytes = [], 0
        if len(waiting) > 1:
            whole = together([call for call, _ in waiting])
            self._send(whole, whole.parse, waiting)
        elif waiting:
            self._send_alone(waiting[0])

    def _send_alone(self, one: _Waiting) -> None:
        call = one[0]
        self._send(call, lambda reply: (call.parse(reply),), [one])

    def _send(self, call: Call[Any], parse: Callable[[Any], Sequence[Added]], waiting: Sequence[_Waiting]) -> None:
        try:
            sent = self._link.submit(call)
        except ConnectionLost as error:
            _fail(waiting, error)
        else:
            sent.add_done_callback(partial(self._answered, parse, waiting))

    def _answered(
        self, parse: Callable[[Any], Sequence[Added]], waiting: Sequence[_Waiting], sent: asyncio.Future[Any]
    ) -> None:
        error = sent.exception()
        if error is None:
            _tell(waiting, parse, sent.result())
        elif len(waiting) == 1 or isinstance(error, ConnectionLost):
            _fail(waiting, error)
        else:
            for one in waiting:
                if not one[1].done():
                    self._send_alone(one)


def _tell(waiting: Sequence[_Waiting], parse: Callable[[Any], Sequence[Added]], reply: Any) -> None:
    try:
        outcomes = list(zip(waiting, parse(reply), strict=True))
    except BullpenError as said:  # what the call itself makes of the reply
        _fail(waiting, said)
    except Exception as error:  # noqa: BLE001 - whatever it is: nobody may wait for ever
        # They may have been added: repeated alone, each would be there twice.
        _fail(waiting, ProtocolError(f"Redis' reply to added jobs is not understood: {error!r}"))
    else:
        for (_, future), added in outcomes:
            if not future.done():
                future.set_result(added)


def _fail(waiting: Sequence[_Waiting], error: BaseException) -> None:
    for place, (_, future) in enumerate(waiting):
        if not future.done():
            # An error of its own for each: a traceback belongs to one task.
            future.set_exception(_another(error) if place else error)


def _another(error: BaseException) -> BullpenError:
    return (
        ConnectionLost(str(error), sent=error.sent) if isinstance(error, ConnectionLost) else ProtocolError(str(error))
    )
