"""The worker's HTTP port, served by a thread so that a blocked loop still answers.

`/readyz` depends neither on load nor on Redis: Kubernetes removes NotReady pods first,
and a busy pod must not be that one.
"""

from __future__ import annotations

import socket
import socketserver
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TypeAlias

from bullpen.errors import ConfigurationError

Probe: TypeAlias = Callable[[], str | None]
"""None when all is well, else what is wrong."""

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Listener(ThreadingHTTPServer):
    """IPv6 and IPv4 on one socket where the machine has both; clusters may have either."""

    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # Not HTTPServer's, which asks DNS for this host's name and may wait for it.
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news; anything else shows its traceback, as the base class does."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class ProbeServer:
    """`/startedz`, `/livez`, `/readyz`, `/metrics` on one port; 0 takes any free port.

    Raises `ConfigurationError` when the port cannot be had.
    """

    def __init__(self, port: int, *, probes: Mapping[str, Probe], metrics: Callable[[], bytes], host: str = "") -> None:
        try:
            self._server = _Listener((host, port), _handler(probes, metrics))
        except OSError as error:
            raise ConfigurationError(
                f"METRICS_PORT={port}: cannot listen ({error.strerror or error}); "
                "choose a free port, or unset it for none"
            ) from error
        self._thread = Thread(target=self._server.serve_forever, name="probes", daemon=True)

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop answering; returns when the port is free."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def _handler(probes: Mapping[str, Probe], metrics: Callable[[], bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # a client that sends nothing does not keep a thread
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(HTTPStatus.OK, metrics(), METRICS_TYPE)
            elif path in probes:
                wrong = probes[path]()
                status = HTTPStatus.OK if wrong is None else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, f"{wrong or 'ok'}\n".encode(), "text/plain; charset=utf-8")
            else:
                paths = ", ".join((*probes, "/metrics"))
                self._answer(HTTPStatus.NOT_FOUND, f"no {path} here; there is {paths}\n".encode(), "text/plain")

        def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Probes come every few seconds; their access log is noise."""

    return Handler
