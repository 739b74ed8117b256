"""Effects → API calls, one pool at a time.

Nothing is remembered as "to be written": what fails is left, and the next turn derives it again from what is then seen.
What succeeds goes straight into the cache, so that the next turn does not decide on a state that its own write has
changed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bullpen_operator.api.reasons import Reason
from bullpen_operator.cluster.deployment import intent_of, owned_by, quota_in
from bullpen_operator.cluster.port import NO_VERSION, ClusterError, Kind
from bullpen_operator.engine.declared import Declared
from bullpen_operator.engine.difference import differences
from bullpen_operator.engine.guard import Guard, Unguard
from bullpen_operator.engine.view import Obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from bullpen_operator.api.pool import Metadata, WorkerPool
    from bullpen_operator.cluster.port import Cluster, Raw
    from bullpen_operator.engine.backoff import Backoff
    from bullpen_operator.engine.cache import Cache
    from bullpen_operator.engine.drain import Annotate
    from bullpen_operator.engine.track import Track
    from bullpen_operator.engine.turn import Apply, Scale

log = logging.getLogger(__name__)

_REFUSALS = frozenset({400, 403, 413, 422})
"""The API server, an admission controller or a quota says no to this object; it will say so again until something
changes.
"""

_ENDING = "because it is being terminated"
"""What the API server says of a namespace that is being deleted (NamespaceLifecycle admission)."""

_TOLD_AFTER = 3
_PEACE_SECONDS = 600.0
"""A repair so long after the last one is no quarrel: its pause starts small again."""


class Executor:
    """Writes, when `may_write` allows it: who does not lead need not even try. The fence of the cluster port, asked as
    a request leaves, is what is relied on. `outdated` hears when the cache seems to be behind.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        cache: Cache,
        may_write: Callable[[], bool],
        clock: Callable[[], float],
        outdated: Callable[[], None] = lambda: None,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._may_write = may_write
        self._clock = clock
        self._declared = Declared()
        self._outdated = outdated

    @property
    def writes(self) -> bool:
        """Whether anything may be written now."""
        return self._may_write()

    async def apply(self, track: Track, pool: WorkerPool, effect: Apply) -> bool:
        """Make the Deployment or put it right; True when the API server took it, the decided number included.

        A refusal becomes the track's obstacle, anything else is logged; both are tried again after a pause.
        """
        if not self._may_write():
            return False
        try:
            found = await self._cluster.find_deployment(namespace=pool.metadata.namespace, name=pool.metadata.name)
            if found is not None and not self._is_to_be_taken(track, pool, found):
                return False
            deployment = _on_top_of(found, effect)
            await self._cluster.apply_deployment(deployment, dry_run=True)
            seen = await self._cluster.apply_deployment(deployment)
        except ClusterError as error:
            self._refused(track, pool, error)
            return False
        self._cache.put(Kind.DEPLOYMENT, seen)
        track.tolerated = differences(effect.deployment, seen)
        track.unsettled, track.obstacle = False, None
        track.apply_pause.succeeded()
        if found is not None and intent_of(found) == intent_of(effect.deployment):
            self._repaired(track)
        log.info("deployment applied", extra=_labels(pool) | {"intent": intent_of(effect.deployment)})
        return found is None or _decided_on(found, effect)

    async def scale(self, track: Track, pool: WorkerPool, effect: Scale) -> bool:
        """Set the number of replicas; True when the API server took it."""
        if not self._may_write():
            return False
        try:
            seen = await self._cluster.scale_deployment(
                namespace=pool.metadata.namespace,
                name=pool.metadata.name,
                replicas=effect.replicas,
                resource_version=effect.resource_version,
            )
        except ClusterError as error:
            self._failed(track.scale_pause, pool.metadata, "scale", error)
            if error.gone:
                place = (pool.metadata.namespace, pool.metadata.name)
                self._vanished(Kind.DEPLOYMENT, self._cache.deployment_at(*place))
            if _worth_telling(track.scale_pause, error) and track.obstacle is None:
                track.obstacle = _trouble("the number of replicas", error)
            return False
        self._cache.put(Kind.DEPLOYMENT, seen)
        track.scale_pause.succeeded()
        if track.obstacle is not None and track.obstacle.passing:
            track.obstacle = None
        return True

    async def guard(self, track: Track, pool: WorkerPool, effect: Guard | Unguard) -> str | None:
        """Write or delete the PodDisruptionBudget; a sentence when that failed and will fail again."""
        if not self._may_write():
            return None
        metadata = pool.metadata
        try:
            if isinstance(effect, Guard):
                self._cache.put(Kind.BUDGET, await self._cluster.write_budget(effect.budget))
            else:
                place = {"namespace": metadata.namespace, "name": metadata.name}
                await self._cluster.delete_budget(**place, uid=effect.uid, resource_version=effect.version)
        except ClusterError as error:
            if error.gone:
                return None  # what was to go is gone; the watch tells of it
            self._failed(track.guard_pause, metadata, "disruption budget", error)
            if error.reason == "AlreadyExists":
                return (
                    f"a PodDisruptionBudget {metadata.name} exists that is not the pool's: "
                    "delete it, or set spec.podDisruptionBudget.enabled to false"
                )
            return error.message if error.status in _REFUSALS else None
        if isinstance(effect, Guard) and "resourceVersion" in effect.budget["metadata"]:
            track.guard_pause.failed(self._clock())  # somebody changed it, and may do so again
        else:
            track.guard_pause.succeeded()
        return None

    async def annotate(self, track: Track, pool: WorkerPool, changes: Sequence[Annotate]) -> None:
        """Set or take away annotations of pods, each of exactly the version that it was decided on."""
        for change in changes:
            if not self._may_write():
                return
            pod = change.pod
            try:
                seen = await self._cluster.annotate_pod(
                    namespace=pod.namespace,
                    name=pod.name,
                    uid=pod.uid,
                    resource_version=pod.version,
                    annotations=change.annotations,
                )
            except ClusterError as error:
                if error.conflict or error.gone:  # the pod has changed since, or is gone: the watch will tell
                    continue
                self._failed(track.pod_pause, pool.metadata, "pod", error)
                return
            self._cache.put(Kind.POD, seen)
        track.pod_pause.succeeded()

    def writable(self, status: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a status that the CRD in the cluster has a place for, as far as is known."""
        return self._declared.part_of(status, now=self._clock())

    async def write_status(self, track: Track, pool: Metadata, status: Mapping[str, Any]) -> bool:
        """Replace the pool's status; True when the API server took it."""
        if not self._may_write():
            return False
        try:
            seen = await self._cluster.apply_status(
                namespace=pool.namespace,
                name=pool.name,
                uid=pool.uid,
                resource_version=pool.resource_version,
                status=status,
            )
        except ClusterError as error:
            if error.gone:  # deleted a moment ago, or long since while the watch was down
                self._vanished(Kind.POOL, self._cache.pool(pool.uid))
            elif not self._declared.learns(error, now=self._clock()):
                self._failed(track.status_pause, pool, "status", error)
            return False
        self._cache.put(Kind.POOL, seen)
        track.status_pause.succeeded()
        return True

    def _vanished(self, kind: Kind, cached: Raw | None) -> None:
        """The API server does not have what the cache shows, and no watch tells of it any more."""
        if cached is not None:
            metadata = cached["metadata"]
            log.info("%s is gone", kind.value, extra={"pool": metadata["name"], "namespace": metadata["namespace"]})
            self._cache.remove(kind, cached)

    def _is_to_be_taken(self, track: Track, pool: WorkerPool, found: Raw) -> bool:
        """Whether a Deployment that has the pool's name is the pool's own; a forced apply would take over anybody's."""
        if not owned_by(found, uid=pool.metadata.uid):
            track.obstacle = _conflict(pool, found)
            track.apply_pause.failed(self._clock())
            return False
        return not found["metadata"].get("deletionTimestamp")

    def _repaired(self, track: Track) -> None:
        now = self._clock()
        if now - track.repair_pause.until > _PEACE_SECONDS:
            track.repair_pause.succeeded()
        track.repair_pause.failed(now)

    def _refused(self, track: Track, pool: WorkerPool, error: ClusterError) -> None:
        self._failed(track.apply_pause, pool.metadata, "deployment", error)
        if error.forbidden and _ENDING in error.message:
            return  # the pool goes with its namespace in a moment
        if error.forbidden and quota_in(error.message):
            track.obstacle = Obstacle(reason=Reason.QUOTA, message=f"no Deployment: {quota_in(error.message)}")
        elif error.status in _REFUSALS:
            track.obstacle = Obstacle(
                reason=Reason.TEMPLATE_REJECTED, message=f"the API server refuses the Deployment: {error.message}"
            )
        elif _worth_telling(track.apply_pause, error):
            track.obstacle = _trouble("the Deployment", error)

    def _failed(self, backoff: Backoff, pool: Metadata, what: str, error: ClusterError) -> None:
        pause = backoff.failed(self._clock())
        if error.conflict and backoff.failures >= _TOLD_AFTER:
            self._outdated()  # decided again and again on what is no longer so: the watch does not tell it
        level = logging.DEBUG if error.conflict else logging.WARNING  # a conflict only means: look again
        extra = {"pool": pool.name, "namespace": pool.namespace}
        log.log(level, "%s not written, again in %.1f s: %s", what, pause, error, extra=extra)


def _worth_telling(backoff: Backoff, error: ClusterError) -> bool:
    """One lost write is no news, and a conflict is none at all."""
    return not error.conflict and backoff.failures >= _TOLD_AFTER


def _trouble(what: str, error: ClusterError) -> Obstacle:
    return Obstacle(reason=Reason.WRITE_FAILED, message=f"{what} could not be written: {error.message}")


def _conflict(pool: WorkerPool, found: Raw) -> Obstacle:
    owners = found["metadata"].get("ownerReferences") or []
    whose = ", ".join(f"{owner['kind']} {owner['name']}" for owner in owners) or "no WorkerPool"
    return Obstacle(
        reason=Reason.DEPLOYMENT_CONFLICT,
        message=f"a Deployment {pool.metadata.name} exists that belongs to {whose}: "
        "delete it, or give the pool another name",
    )


def _on_top_of(found: Raw | None, effect: Apply) -> Raw:
    """The Deployment to apply, for exactly the version found.

    With the decided number only if it was decided on that version; else with the number it has. A watch that is behind,
    or a label taken off, by which we watch, would otherwise end pods that nobody counted.
    """
    if found is None:
        metadata = {**effect.deployment["metadata"], "resourceVersion": NO_VERSION}
        return {**effect.deployment, "metadata": metadata}
    metadata = {**effect.deployment["metadata"], "resourceVersion": found["metadata"]["resourceVersion"]}
    spec = effect.deployment["spec"]
    if not _decided_on(found, effect):
        spec = {**spec, "replicas": found["spec"].get("replicas", 1)}
    return {**effect.deployment, "metadata": metadata, "spec": spec}


def _decided_on(found: Raw, effect: Apply) -> bool:
    return bool(found["metadata"]["resourceVersion"] == effect.resource_version)


def _labels(pool: WorkerPool) -> dict[str, Any]:
    return {"pool": pool.metadata.name, "namespace": pool.metadata.namespace, "queue": pool.spec.queue}
