"""What the operator asks of Kubernetes: a handful of coroutines, dicts in, raw JSON out.

The engine knows this protocol only; the adapter is `kubernetes_cluster.py`, the fake of the unit tests is
written by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELD_MANAGER = "bullpen-operator"
"""The one field manager of every write (KEP-555, server-side apply)."""

NO_VERSION = "1"
"""A resourceVersion that no object has: an apply that carries it makes what is missing, and is refused (409) by what is
there. Without one it would overwrite that.
"""

Raw = dict[str, Any]
"""An object as the API server speaks of it."""


class Kind(StrEnum):
    """What is listed and watched."""

    POOL = "WorkerPool"
    DEPLOYMENT = "Deployment"
    BUDGET = "PodDisruptionBudget"
    POD = "Pod"
    SCALER = "HorizontalPodAutoscaler"


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a kind at one moment; `resource_version` is that moment."""

    items: list[Raw]
    resource_version: str


class ClusterError(Exception):
    """A call that the API server refused, or that did not reach it.

    `status` is the HTTP status, 0 when no answer came. `reason` is the word of the API's Status object
    (`Invalid`, `Conflict`, …).
    """

    def __init__(self, *, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed a little later: no answer, too many requests, or trouble on
        the server's side.
        """
        return self.status in (0, 408, 429) or self.status >= 500

    @property
    def conflict(self) -> bool:
        """Whether the write was decided on a state that has changed since (409): look again, decide again."""
        return self.status == 409

    @property
    def missing(self) -> bool:
        return self.status == 404

    @property
    def gone(self) -> bool:
        """Whether the API server itself says that the object does not exist; a proxy's 404 says nothing of it."""
        return self.missing and self.reason == "NotFound"

    @property
    def forbidden(self) -> bool:
        return self.status == 403


class Cluster(Protocol):
    """Every coroutine raises ClusterError, and nothing else, within a bounded time."""

    async def list_all(self, kind: Kind, *, namespace: str | None) -> Listing:
        """All objects of a kind that are to be watched, in one namespace or (None) in all."""
        ...

    async def find_deployment(self, *, namespace: str, name: str) -> Raw | None:
        """The Deployment of that name whoever made it, which the watch by label does not show."""
        ...

    async def apply_deployment(self, deployment: Raw, *, dry_run: bool = False) -> Raw:
        """Server-side apply of the full intended Deployment; the answer is what it became."""
        ...

    async def scale_deployment(self, *, namespace: str, name: str, replicas: int, resource_version: str) -> Raw:
        """Set `replicas` on exactly the version it was decided on; the answer is the Deployment."""
        ...

    async def write_budget(self, budget: Raw) -> Raw:
        """Make the PodDisruptionBudget (409 when there is one of its name), or, if it carries a resourceVersion, put
        exactly that version right; the answer is what it became.
        """
        ...

    async def delete_budget(self, *, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """Delete exactly that version of the PodDisruptionBudget with that uid."""
        ...

    async def annotate_pod(
        self,
        *,
        namespace: str,
        name: str,
        uid: str,
        resource_version: str,
        annotations: Mapping[str, str | None],
    ) -> Raw:
        """Set annotations of exactly the version of the pod it was decided on, None takes one away; the answer is the
        pod.
        """
        ...

    async def apply_status(
        self, *, namespace: str, name: str, uid: str, resource_version: str, status: Mapping[str, Any]
    ) -> Raw:
        """Server-side apply of the full status, on exactly that version of the pool; the answer is the pool."""
        ...

    async def read_secret(self, *, namespace: str, name: str) -> Mapping[str, bytes]:
        """The data of one Secret, by name."""
        ...

    async def create_event(self, event: Raw) -> Raw:
        """A new Event (events.k8s.io/v1)."""
        ...

    async def patch_event(self, *, namespace: str, name: str, patch: Raw) -> Raw:
        """Merge into an Event: the count of its series."""
        ...
