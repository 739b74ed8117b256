"""Deduplication ids: who owns one, and freeing it by hand (protocol §2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen.protocol.call import Call
from bullpen.protocol.call import job_id as read_id
from bullpen.protocol.deduplication import check_dedup_id
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys


def dedup_owner(keys: QueueKeys, *, dedup_id: str) -> Call[str | None]:
    """Id of the job that owns the deduplication id; None when the next add with it is stored."""
    check_dedup_id(dedup_id)
    return Call(command=("GET", keys.dedup(dedup_id)), parse=_owner)


def remove_dedup_key(keys: QueueKeys, *, dedup_id: str) -> Call[bool]:
    """Frees the deduplication id, whichever job owns it; whether anyone did. A stored next job stays stored."""
    check_dedup_id(dedup_id)
    return Call(command=("DEL", keys.dedup(dedup_id)), parse=bool)


def remove_own_dedup_key(keys: QueueKeys, *, job_id: str) -> Call[bool]:
    """Frees the deduplication id that the job was added with if the job still owns it; whether it did."""
    return Call(command=(keys.base, job_id), parse=bool, script=load("remove_own_dedup"))


def _owner(reply: bytes | None) -> str | None:
    return None if reply is None else read_id(reply)
