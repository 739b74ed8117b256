"""The operator's port: /livez, /readyz and /metrics.

/livez says that the sweep turns, and nothing about the world outside: a Redis or an API server that is away is no
reason to restart.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from bullpen_operator.serving.metrics import Metrics

_STOP_SECONDS = 0.5


class PortTaken(Exception):
    """The port cannot be listened on; a configuration error."""


class HttpServer:
    """Answers the probes. `alive` and `ready` return None, or why not."""

    def __init__(
        self, *, port: int, metrics: Metrics, alive: Callable[[], str | None], ready: Callable[[], str | None]
    ) -> None:
        self._port = port
        self._metrics = metrics
        self._alive = alive
        self._ready = ready
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Listen. Raises PortTaken."""
        app = web.Application()
        app.router.add_get("/livez", self._probe(self._alive))
        app.router.add_get("/readyz", self._probe(self._ready))
        app.router.add_get("/metrics", self._exposition)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_STOP_SECONDS)
        await self._runner.setup()
        try:
            await web.SockSite(self._runner, _listener(self._port)).start()
        except OSError as error:
            await self._stop()
            words = os.strerror(error.errno) if error.errno else str(error)
            raise PortTaken(f"HTTP_PORT={self._port} cannot be used: {words}; choose another port") from error
        return self

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._runner.addresses[0][1]) if self._runner is not None else self._port

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        """Close the port, for at most about a second."""
        runner, self._runner = self._runner, None
        if runner is not None:
            async with asyncio.timeout(2 * _STOP_SECONDS):
                await runner.cleanup()

    @staticmethod
    def _probe(check: Callable[[], str | None]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(_: web.Request) -> web.StreamResponse:
            trouble = check()
            return web.Response(text=f"{trouble or 'ok'}\n", status=200 if trouble is None else 503)

        return answer

    async def _exposition(self, _: web.Request) -> web.Response:
        # On a thread: with thousands of pools it takes longer than a sweep may be late.
        body = await asyncio.to_thread(self._metrics.exposition)
        return web.Response(body=body, headers={"Content-Type": self._metrics.content_type})


def _listener(port: int) -> socket.socket:
    """One socket for IPv4 and IPv6, or for IPv4 alone where the kernel has no other."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
    return socket.create_server(("", port))
