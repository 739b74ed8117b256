"""The slow second pair of eyes: lists everything now and then and lets the list replace the cache.

A watch that was down while an object vanished never tells of it, and neither does kopf (410 Gone, then a
fresh list without the object).
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from contextlib import suppress
from typing import TYPE_CHECKING

from bullpen_operator.cluster.port import ClusterError, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bullpen_operator.cluster.port import Cluster
    from bullpen_operator.engine.cache import Cache

log = logging.getLogger(__name__)

LEAST_SECONDS, MOST_SECONDS = 300.0, 600.0
AGAIN_SECONDS = 30.0
"""Who asks for a list sooner than this after the last one is not heard."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


class Relist:
    """Fills the cache, sets `filled`, then replaces it every 5 to 10 minutes. No namespaces: all of them.

    `on_listed` hears of each kind that was listed, and how many of its objects had vanished untold.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        cache: Cache,
        namespaces: Sequence[str],
        on_listed: Callable[[Kind, int], None] = lambda kind, missed: None,
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._scopes: Sequence[str | None] = namespaces or (None,)
        self._on_listed = on_listed
        self._again_seconds = again_seconds
        self.filled = asyncio.Event()
        self._wanted = asyncio.Event()
        self._listed_at = -math.inf

    def soon(self) -> None:
        """There is reason to doubt what the watches tell: list now, unless that was done a moment ago."""
        if asyncio.get_running_loop().time() - self._listed_at > self._again_seconds:
            self._wanted.set()

    async def run(self) -> None:
        """List until cancelled; a failed list is repeated after 1 to 30 s, jittered."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self.once()
            except ClusterError as error:
                log.warning("cannot list: %s%s", error, _advice(error))
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(_LONGEST_PAUSE, pause * 2)
                continue
            pause = _FIRST_PAUSE
            self.filled.set()
            self._listed_at = asyncio.get_running_loop().time()
            self._wanted.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(LEAST_SECONDS, MOST_SECONDS)):
                    await self._wanted.wait()

    async def once(self) -> None:
        """One full list of each kind. Raises ClusterError, and leaves the cache as it was for what was not
        listed.
        """
        # Pools last: a pool is then seen with what it has.
        for kind in (Kind.SCALER, Kind.BUDGET, Kind.POD, Kind.DEPLOYMENT, Kind.POOL):
            self._cache.start_relist(kind)
            all_missed = 0
            for namespace in self._scopes:
                listing = await self._cluster.list_all(kind, namespace=namespace)
                missed = self._cache.replace(kind, listing, namespace=namespace)
                all_missed += missed
                if missed:
                    log.info("%d %ss had vanished without the watch telling", missed, kind.value)
            self._on_listed(kind, all_missed)


def _advice(error: ClusterError) -> str:
    if error.missing:
        return "; install the WorkerPool CRD (helm does, or kubectl apply -f crds/)"
    if error.forbidden:
        return "; grant the operator's service account list and watch, as the chart does"
    return ""
