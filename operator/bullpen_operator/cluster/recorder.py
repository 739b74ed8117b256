"""Kubernetes Events of a pool: said once, counted when repeated, and never more than a trickle.

Not kopf's poster: it posts what is logged, retries for a minute, and knows no limits. Here an Event that
repeats within ten minutes is a series (events.k8s.io/v1: one object, a count), and each pool has a small
budget, because an Event storm hurts etcd more than a missing line hurts a reader.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bullpen_operator.api.pool import API_VERSION, KIND
from bullpen_operator.cluster.port import FIELD_MANAGER, ClusterError

if TYPE_CHECKING:
    from bullpen_operator.api.reasons import Reason
    from bullpen_operator.cluster.port import Cluster, Raw

log = logging.getLogger(__name__)

SERIES_SECONDS = 600.0
BURST = 20
REFILL_SECONDS = 15.0
_NOTE_LIMIT = 1024  # bytes; events.k8s.io/v1 refuses longer notes
_QUEUE_LIMIT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing worth an Event: the pool it is about (its raw object's identity), why, and the sentence."""

    namespace: str
    name: str
    uid: str
    reason: Reason
    note: str
    warning: bool
    action: str
    """What the operator was doing, in CamelCase: the `action` of events.k8s.io/v1."""


@dataclass(slots=True)
class _Series:
    event: str
    count: int
    last_at: float


@dataclass(slots=True)
class _Budget:
    tokens: float = BURST
    at: float = 0.0
    dropped: int = 0


@dataclass(slots=True)
class _Memory:
    series: dict[tuple[str, str], _Series] = field(default_factory=dict)
    budget: _Budget = field(default_factory=_Budget)


class Recorder:
    """Takes notices without waiting, posts them one after the other from `run`."""

    def __init__(self, cluster: Cluster, *, instance: str) -> None:
        self._cluster = cluster
        self._instance = instance
        self._queue: deque[tuple[Notice, float]] = deque(maxlen=_QUEUE_LIMIT)
        self._wake = asyncio.Event()
        self._pools: dict[str, _Memory] = {}
        self._posting = False

    def record(self, notice: Notice, *, now: float) -> None:
        """Queue a notice; `now` is in seconds since the epoch. Under a flood the oldest ones are dropped."""
        self._queue.append((notice, now))
        self._wake.set()

    @property
    def busy(self) -> bool:
        """Whether there are notices that are not yet dealt with."""
        return bool(self._queue) or self._posting

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a deleted pool, and what was still to be told of it."""
        self._pools.pop(uid, None)
        self._queue = deque((entry for entry in self._queue if entry[0].uid != uid), maxlen=_QUEUE_LIMIT)

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                notice, at = self._queue.popleft()
                self._posting = True
                try:
                    await self._post(notice, at)
                except ClusterError as error:
                    # An Event is told once: a late one would mislead, and the condition says the same for as
                    # long as it holds.
                    log.warning(
                        "event not posted: %s",
                        error,
                        extra={"pool": notice.name, "namespace": notice.namespace},
                    )
                finally:
                    self._posting = False

    async def _post(self, notice: Notice, now: float) -> None:
        memory = self._pools.setdefault(notice.uid, _Memory())
        if not _allowed(memory.budget, now):
            return
        for key in [key for key, series in memory.series.items() if now - series.last_at > SERIES_SECONDS]:
            del memory.series[key]
        key = (notice.reason.value, notice.note)
        series = memory.series.get(key)
        if series is not None:
            series.count += 1
            series.last_at = now
            patch = {"series": {"count": series.count, "lastObservedTime": _micro_time(now)}}
            try:
                await self._cluster.patch_event(namespace=notice.namespace, name=series.event, patch=patch)
            except ClusterError as error:
                if not error.missing:  # missing: it outlived the API server's event TTL, so it is told anew
                    raise
            else:
                return
        event = _event(notice, now, instance=self._instance)
        await self._cluster.create_event(event)
        memory.series[key] = _Series(event=event["metadata"]["name"], count=1, last_at=now)


def _allowed(budget: _Budget, now: float) -> bool:
    """A token bucket: BURST at once, then one in REFILL_SECONDS."""
    budget.tokens = min(BURST, budget.tokens + max(0.0, now - budget.at) / REFILL_SECONDS)
    budget.at = now
    if budget.tokens < 1:
        budget.dropped += 1
        return False
    budget.tokens -= 1
    return True


def _event(notice: Notice, now: float, *, instance: str) -> Raw:
    note = notice.note.encode()
    if len(note) > _NOTE_LIMIT:
        note = note[: _NOTE_LIMIT - 3].decode(errors="ignore").encode() + "…".encode()
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": notice.namespace, "name": f"{notice.name[:200]}.{secrets.token_hex(8)}"},
        "eventTime": _micro_time(now),
        "reportingController": f"bullpen.dev/{FIELD_MANAGER}",
        "reportingInstance": instance,
        "action": notice.action,
        "reason": notice.reason.value,
        "type": "Warning" if notice.warning else "Normal",
        "note": note.decode(),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": notice.namespace,
            "name": notice.name,
            "uid": notice.uid,
        },
    }


def _micro_time(now: float) -> str:
    """MicroTime always with its six digits: one without a fraction is refused with 400."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
