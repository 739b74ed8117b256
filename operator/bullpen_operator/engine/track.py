"""What the engine remembers of one pool between ticks. All of it can be lost: a restart derives it again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from bullpen_operator.api.pool import WorkerPool
from bullpen_operator.engine.backoff import Backoff
from bullpen_operator.engine.draining import Draining
from bullpen_operator.engine.promise import Starts
from bullpen_operator.scaling.decision import Memory

if TYPE_CHECKING:
    from bullpen_operator.cluster.port import Raw
    from bullpen_operator.engine.difference import Differences
    from bullpen_operator.engine.view import Obstacle
    from bullpen_operator.scaling.observation import QueueReading, ReadingFailed

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Track:
    """One pool on its way: touched by its turns, and by its own write task, during which turns leave it alone."""

    version: str = ""
    """resourceVersion of the object that `pool` was read from."""
    pool: WorkerPool | None = None
    """None when this version of the operator cannot read the object."""
    misread: str | None = None
    """Why it cannot, a sentence."""
    memory: Memory = field(default_factory=Memory)
    draining: Draining = field(default_factory=Draining)
    starts: Starts = field(default_factory=Starts)
    unsettled: bool = True
    """The Deployment has to be compared with what it should be."""
    obstacle: Obstacle | None = None
    """Why the Deployment is not what it should be."""
    tolerated: Differences = frozenset()
    """How our own last apply came back from the API server: the same thing, said otherwise."""
    apply_pause: Backoff = field(default_factory=lambda: Backoff(first=2, longest=120))
    repair_pause: Backoff = field(default_factory=lambda: Backoff(first=2, longest=120))
    """After what somebody else changed was put back: each time may be a rollout, and they may change it again."""
    apply_generation: int = 0
    """Generation of the pool that these two pauses are about: a changed spec is tried at once."""
    unguarded: bool = True
    """The PodDisruptionBudget has to be compared with what it should be."""
    guard_pause: Backoff = field(default_factory=lambda: Backoff(first=5, longest=600))
    scale_pause: Backoff = field(default_factory=lambda: Backoff(first=0.5, longest=60))
    pod_pause: Backoff = field(default_factory=lambda: Backoff(first=0.5, longest=60))
    status_pause: Backoff = field(default_factory=lambda: Backoff(first=0.5, longest=60))
    rested_at: float | None = None
    """When the queue was last seen at rest."""
    turned_at: float = 0.0
    rests_until: float = 0.0
    """Before then, and from `turned_at` on, a turn would find what this one found."""
    sharing: tuple[str, ...] = ()
    """Other pools that serve the same queue, as namespace/name; not more than a few."""
    writing: bool = False
    missed: QueueReading | ReadingFailed | None = None
    """What was last observed while it was being written, or waited for a place to write."""
    status_written_at: float | None = None
    status_refreshed_at: float | None = None
    """When it was last written for what is not urgent."""
    shown: object = None
    """What the status was last built from."""
    shown_at: float = 0.0

    def read(self, raw: Raw) -> None:
        """Bring it to the object's present version."""
        version = raw["metadata"]["resourceVersion"]
        if version == self.version:
            return
        self.version = version
        before = self.pool
        try:
            self.pool, self.misread = WorkerPool.model_validate(raw), None
            if before is None:
                self.memory = remembered(self.memory, self.pool)
            elif served(before) != served(self.pool):
                self.memory, self.starts = self.memory.of_another_queue(), Starts()
        except ValidationError as error:
            self.pool = None
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            self.misread = (
                f"this version of the operator does not understand {where} ({first['msg']}): "
                "correct it, or bring the operator to the version of the CRD"
            )
            place = {"pool": raw["metadata"]["name"], "namespace": raw["metadata"]["namespace"]}
            log.error(self.misread, extra=place)  # noqa: TRY400 - the trace of a validation says nothing more


def remembered(memory: Memory, pool: WorkerPool) -> Memory:
    """With what an operator before this one learned of the same spec, as the status tells it, for a first guess."""
    seconds = pool.status.get("rates", {}).get("serviceSeconds")
    if seconds is None or pool.status.get("observedGeneration") != pool.metadata.generation:
        return memory
    return replace(memory, rates=replace(memory.rates, expected=seconds))


def served(pool: WorkerPool) -> object:
    """What tells the pool's queue apart from others."""
    return pool.spec.redis, pool.spec.prefix, pool.spec.queue
