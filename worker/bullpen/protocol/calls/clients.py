"""Which workers are connected, by the names of their connections (protocol §1.7)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bullpen.protocol.call import Call

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


def workers(keys: QueueKeys) -> Call[tuple[ConnectedWorker, ...]]:
    """The workers connected at this moment, the longest first; those whose name Redis refuses are not seen (§1.7)."""
    return Call(command=("CLIENT", "LIST"), parse=partial(_workers, unnamed=keys.client_name()))


def _workers(reply: bytes, *, unnamed: str) -> tuple[ConnectedWorker, ...]:
    found = []
    for line in reply.decode(errors="replace").splitlines():
        fields = dict(part.partition("=")[::2] for part in line.split(" "))
        client = fields.get("name", "")
        if client == unnamed:
            found.append(_worker(None, fields))
        elif client.startswith(f"{unnamed}:w:"):
            found.append(_worker(client.removeprefix(f"{unnamed}:w:"), fields))
    return tuple(sorted(found, key=lambda worker: -worker.connected_seconds))


def _worker(name: str | None, fields: Mapping[str, str]) -> ConnectedWorker:
    return ConnectedWorker(name, fields.get("addr", ""), int(fields.get("age", 0)))
