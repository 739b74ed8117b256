"""Who holds the active jobs: their ids, and the tokens in their locks (protocol §1.1, §6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen.protocol.call import Call, job_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bullpen.protocol.keys import QueueKeys


def active(keys: QueueKeys) -> Call[tuple[str, ...]]:
    """Ids of all active jobs of the queue, whoever runs them; the newest first."""
    return Call(command=("LRANGE", keys.active, 0, -1), parse=_ids)


def owners(keys: QueueKeys, *, job_ids: Sequence[str]) -> Call[tuple[str | None, ...]]:
    """The token in each job's lock, in order; None where there is none. At least one id."""
    return Call(command=("MGET", *map(keys.lock, job_ids)), parse=_tokens)


def _ids(reply: list[bytes]) -> tuple[str, ...]:
    return tuple(map(job_id, reply))


def _tokens(reply: list[bytes | None]) -> tuple[str | None, ...]:
    return tuple(None if token is None else token.decode(errors="replace") for token in reply)
