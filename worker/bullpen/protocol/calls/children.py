"""What became of a job's children (protocol §9.5). Children are named by the full keys of their hashes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bullpen.errors import ProtocolError
from bullpen.protocol.call import Call, job_id
from bullpen.protocol.replies import pairs
from bullpen.protocol.scripts import load

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys


@dataclass(frozen=True, slots=True)
class ChildrenCounts:
    """Children by what became of them; `ignored` ones failed without harm to the parent, `failed` ones failed it."""

    processed: int
    unprocessed: int
    ignored: int
    failed: int


def names(keys: QueueKeys, *, job_id: str) -> Call[tuple[str, ...]]:
    """All children, whatever became of them, at one moment; those that have not ended first."""
    return Call(command=(keys.base, job_id), parse=_all, script=load("children"))


def values(keys: QueueKeys, *, job_id: str) -> Call[dict[str, Any]]:
    """What the completed children returned. Raises ProtocolError for a value that is no JSON."""
    return Call(command=("HGETALL", f"{keys.job(job_id)}:processed"), parse=partial(_values, parent=job_id))


def ignored_failures(keys: QueueKeys, *, job_id: str) -> Call[dict[str, str]]:
    """Why children failed whose failure the parent outlived."""
    return Call(command=("HGETALL", f"{keys.job(job_id)}:failed"), parse=_reasons)


def unprocessed(keys: QueueKeys, *, job_id: str) -> Call[frozenset[str]]:
    """The children that have not ended."""
    return Call(command=("SMEMBERS", f"{keys.job(job_id)}:dependencies"), parse=_names)


def failed(keys: QueueKeys, *, job_id: str) -> Call[frozenset[str]]:
    """The children whose failure fails the parent."""
    return Call(command=("ZRANGE", f"{keys.job(job_id)}:unsuccessful", 0, -1), parse=_names)


def counts(keys: QueueKeys, *, job_id: str) -> Call[ChildrenCounts]:
    """How many children ended in which way, at one moment."""
    return Call(command=(keys.base, job_id), parse=_counts, script=load("children_counts"))


def _values(reply: list[bytes], *, parent: str) -> dict[str, Any]:
    found = {}
    for child, text in pairs(reply).items():
        try:
            found[job_id(child)] = json.loads(text)
        except ValueError as error:
            raise ProtocolError(f"job {parent}: the value of its child {job_id(child)} is no JSON: {error}") from error
    return found


def _reasons(reply: list[bytes]) -> dict[str, str]:
    return {job_id(child): reason.decode(errors="replace") for child, reason in pairs(reply).items()}


def _names(reply: list[bytes]) -> frozenset[str]:
    return frozenset(map(job_id, reply))


def _all(reply: list[bytes]) -> tuple[str, ...]:
    return tuple(map(job_id, reply))


def _counts(reply: list[int]) -> ChildrenCounts:
    return ChildrenCounts(*reply)
