"""Taking back what a dead worker held, without waiting for its locks to expire (ours; accounting as protocol §6.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bullpen.protocol.call import Call, job_id
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bullpen.protocol.keys import QueueKeys


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """Ids put back to wait; `next_at` is where the next call goes on, None when all active jobs were looked at."""

    job_ids: tuple[str, ...]
    next_at: int | None


def reclaim(keys: QueueKeys, *, instance: str, boot: str, begin: int = 0, max_stalled: int = 1) -> Call[Reclaimed]:
    """Returns the jobs of one dead start of a worker to wait, each one stall more and cause `lost`.

    One call looks at up to 2,000 active jobs and moves up to 100. The caller must know
    that the worker is dead: a live one loses its jobs.
    """
    return _reclaim(keys, instance, boot, max_stalled, begin, ())


def reclaim_others(
    keys: QueueKeys, *, instance: str, spare: Iterable[str], begin: int = 0, max_stalled: int = 1
) -> Call[Reclaimed]:
    """The same for all starts of this instance but the boots given: what a restarted container's former lives held."""
    return _reclaim(keys, instance, "", max_stalled, begin, spare)


def _reclaim(
    keys: QueueKeys, instance: str, boot: str, max_stalled: int, begin: int, spare: Iterable[str]
) -> Call[Reclaimed]:
    return Call(
        command=(keys.base, instance, boot, max_stalled, begin, *spare), parse=_reclaimed, script=load("reclaim")
    )


def _reclaimed(reply: list[Any]) -> Reclaimed:
    ids, next_at = reply
    return Reclaimed(tuple(map(job_id, ids)), None if next_at < 0 else next_at)
