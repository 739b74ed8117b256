"""A connection for a thread of its own, such as the one that renews locks while the event loop is busy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from redis.exceptions import NoScriptError, RedisError, ResponseError

from bullpen.client.dial import coded, dial_blocking, refusal
from bullpen.client.route import Route
from bullpen.errors import BullpenError, ConnectionLost

if TYPE_CHECKING:
    from bullpen.protocol.call import Call
    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.location import LocationSource, RedisLocation

T = TypeVar("T")


class SyncLink:
    """Runs one call at a time and blocks for it; not to be shared by threads.

    It connects when needed. Nothing is repeated or slept on here: a caller with a beat of its own tries again at the
    next one. Each read is bounded by `timeout` seconds. `queue` as for `Link`.
    """

    def __init__(
        self,
        location: RedisLocation | LocationSource,
        *,
        timeout: float = 5.0,
        name: str | None = None,
        queue: QueueKeys | None = None,
    ) -> None:
        self._route = Route(location, queue=queue)
        self._timeout = timeout
        self._name = name
        self._location: RedisLocation | None = None
        self._connection: Any = None

    def __enter__(self) -> SyncLink:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Drops the connection; a later call opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def run(self, call: Call[T]) -> T:
        """Sends the call and returns its parsed reply; raises the same errors as `Link.run`."""
        try:
            return call.parse(self._ask(call))
        except ConnectionLost:
            self.close()
            raise

    def _ask(self, call: Call[Any]) -> Any:
        if self._connection is None:
            self._location, self._connection = dial_blocking(self._route, name=self._name, timeout=self._timeout)
        try:
            try:
                return self._send(call)
            except NoScriptError:
                if call.script is None:
                    raise
                self._exchange("SCRIPT", "LOAD", call.script.text)
                return self._send(call)
        except ResponseError as error:
            raise self._refusal(error, call) from error
        except (RedisError, OSError) as error:
            raise ConnectionLost(
                f"lost Redis at {self._location} in {call.title}: {error}; the command may or may not have run",
                sent=True,
            ) from error

    def _send(self, call: Call[Any]) -> Any:
        try:
            return self._exchange(*call.wire)
        except UnicodeEncodeError:  # raised before anything is sent
            return self._exchange(*call.escaped)

    def _exchange(self, *command: str | bytes | float) -> Any:
        self._connection.send_command(*command)
        return self._connection.read_response()

    def _refusal(self, error: ResponseError, call: Call[Any]) -> BullpenError:
        self._route.heard(error, by=self._location)
        return refusal(coded(error), title=call.title, location=self._location)
