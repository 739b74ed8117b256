"""A network that takes its time: a TCP proxy which hands on each byte a fixed time after it came.

Where the kernel has netem it would be truer; this needs no rights. One thread, and a queue in order of time because
the delay is the same for all.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 1 << 18


def serve(port: int, seconds: float) -> None:
    """Stand before a server on this machine; prints its own port. Each direction takes `seconds`."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    other: dict[socket.socket, socket.socket] = {}
    waiting: deque[tuple[float, socket.socket, bytes]] = deque()
    while True:
        patience = max(0.0, waiting[0][0] - time.perf_counter()) if waiting else None
        for ready in select.select([listener, *other], [], [], patience)[0]:
            if ready is listener:
                client, _ = listener.accept()
                upstream = socket.create_connection(("127.0.0.1", port))
                for each in (client, upstream):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                other[client], other[upstream] = upstream, client
                continue
            if ready not in other:
                continue  # its partner has closed both in this turn
            try:
                data = ready.recv(CHUNK)
            except ConnectionError:
                data = b""
            if data:
                waiting.append((time.perf_counter() + seconds, other[ready], data))
            else:
                _close(ready, other)
        now = time.perf_counter()
        while waiting and waiting[0][0] <= now:
            _, target, data = waiting.popleft()
            try:
                target.sendall(data)
            except OSError:
                _close(target, other)


def _close(one: socket.socket, other: dict[socket.socket, socket.socket]) -> None:
    partner = other.pop(one, None)
    one.close()
    if partner is not None:
        other.pop(partner, None)
        partner.close()


@contextmanager
def delayed(port: int, *, round_trip: float) -> Iterator[int]:
    """The port under which a server is `round_trip` seconds away."""
    command = [sys.executable, __file__, str(port), str(round_trip / 2)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            yield int(proxy.stdout.readline())
        finally:
            proxy.terminate()


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]))
