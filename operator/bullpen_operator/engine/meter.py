"""What the engine tells the metrics; the engine does not know who keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen_operator.api.pool import WorkerPool
    from bullpen_operator.scaling.decision import Decision
    from bullpen_operator.scaling.observation import Fleet, QueueReading


class Meter(Protocol):
    """Called from the event loop; must not wait."""

    def pool_seen(self, pool: WorkerPool, *, reading: QueueReading | None, fleet: Fleet, decision: Decision) -> None:
        """One turn of a pool; no reading: its queue could not be read."""

    def pool_misread(self, namespace: str, name: str, *, status: Mapping[str, Any], fleet: Fleet) -> None:
        """A pool whose spec cannot be understood; `status` is what was last written of it."""

    def pool_gone(self, namespace: str, name: str) -> None:
        """The pool was deleted: none of its numbers may stay."""

    def scaled(self, pool: WorkerPool, decision: Decision) -> None:
        """A number of replicas was accepted by the API server."""

    def woken(self, pool: WorkerPool, *, seconds: float) -> None:
        """A pool got its first pods `seconds` after a job was added to its idle queue."""

    def swept(self, *, lag: float) -> None:
        """A sweep over one endpoint's pools ended `lag` seconds after it was due."""

    def failed_turn(self) -> None:
        """A turn ended with an error that nobody foresaw."""
