"""Which workers are connected, by the names of their connections (protocol §1.7)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bullpen.protocol.call import Call, as_it_came

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen.protocol.keys import QueueKeys


@dataclass(frozen=True, slots=True)
class ConnectedWorker:
    """A worker of a queue, ours or Node's; `name` is None when it has none.

    `address` is that of its blocking connection as Redis sees it; `connected_seconds` is how long that is open.
    """

    name: str | None
    address: str
    connected_seconds: int


@dataclass(frozen=True, slots=True)
class Server:
    """One run of a server process: another `run_id` is another server, or the same one started again."""

    run_id: str
    uptime_seconds: float


def workers(keys: QueueKeys) -> Call[tuple[ConnectedWorker, ...]]:
    """The workers connected at this moment, the longest first; those whose name Redis refuses are not seen (§1.7)."""
    return Call(command=("CLIENT", "LIST"), parse=partial(_workers, unnamed=keys.client_name()))


def everybody() -> Call[bytes]:
    """All connections of the server, of which `workers(keys).parse` reads those of one queue."""
    return Call(command=("CLIENT", "LIST"), parse=as_it_came)


def connection_name(*, instance: str, boot: str) -> str:
    """How every connection of one start of a worker is named but the blocking ones, whose names are Node's (§1.7)."""
    safe = "".join(sign if "!" <= sign <= "~" else "?" for sign in instance)
    return f"bullpen:{safe}:{boot}"


def connections() -> Call[frozenset[str]]:
    """The names of all connections of the server; a server with thousands of them takes milliseconds for that."""
    return Call(command=("CLIENT", "LIST"), parse=_names)


def server_started() -> Call[Server]:
    """Which run of the server this is. Without a permission for INFO: ConfigurationError."""
    return Call(command=("INFO", "server"), parse=_server)


def _names(reply: bytes) -> frozenset[str]:
    return frozenset(_fields(line).get("name", "") for line in reply.decode(errors="replace").splitlines())


def _server(reply: bytes) -> Server:
    told = dict(line.partition(":")[::2] for line in reply.decode(errors="replace").splitlines())
    return Server(told.get("run_id", ""), float(told.get("uptime_in_seconds") or 0))


def _fields(line: str) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in line.split(" "))


def _workers(reply: bytes, *, unnamed: str) -> tuple[ConnectedWorker, ...]:
    found = []
    for line in reply.decode(errors="replace").splitlines():
        fields = _fields(line)
        client = fields.get("name", "")
        if client == unnamed:
            found.append(_worker(None, fields))
        elif client.startswith(f"{unnamed}:w:"):
            found.append(_worker(client.removeprefix(f"{unnamed}:w:"), fields))
    return tuple(sorted(found, key=lambda worker: -worker.connected_seconds))


def _worker(name: str | None, fields: Mapping[str, str]) -> ConnectedWorker:
    return ConnectedWorker(name, fields.get("addr", ""), int(fields.get("age", 0)))
