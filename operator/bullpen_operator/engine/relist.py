"""The slow second pair of eyes: lists everything now and then and lets the list replace the cache.

A watch that was down while an object vanished never tells of it, and neither does kopf (410 Gone, then a
fresh list without the object). After etcd was restored from a snapshot, a watch that goes on from a version of the lost
time hears nothing until the versions have counted up to it again.
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

    `on_listed` hears of each kind that was listed, and how many of its objects had vanished untold; `on_rewound` when
    the watches have to begin anew, because the versions that they go on from are of a time that never was.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        cache: Cache,
        namespaces: Sequence[str],
        on_listed: Callable[[Kind, int], None] = lambda kind, missed: None,
        on_rewound: Callable[[], None] = lambda: None,
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._scopes: Sequence[str | None] = namespaces or (None,)
        self._on_listed = on_listed
        self._on_rewound = on_rewound
        self._again_seconds = again_seconds
        self.filled = asyncio.Event()
        self._wanted = asyncio.Event()
        self._listed_at = -math.inf
        self._rewinds = 0
        self._overcome = 0

    @property
    def sound(self) -> bool:
        """Whether the cache is of one time: False from when etcd was found restored until all was listed anew.

        Pools of the one time beside Deployments of the other would be written as nobody ever asked for.
        """
        return self._overcome == self._rewinds

    def rewound(self) -> None:
        """The API server's data went back in time: nothing that is known is newer than what is listed next."""
        log.warning("etcd was restored from a snapshot: all is listed and watched anew")
        self._rewinds += 1
        self._wanted.set()
        self._on_rewound()

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
            if self.sound:
                self._wanted.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(LEAST_SECONDS, MOST_SECONDS)):
                    await self._wanted.wait()

    async def once(self) -> None:
        """One full list of each kind. Raises ClusterError, and leaves the cache as it was for what was not
        listed.
        """
        rewinds, rewound = self._rewinds, not self.sound
        # Pools last: a pool is then seen with what it has.
        for kind in (Kind.SCALER, Kind.BUDGET, Kind.POD, Kind.DEPLOYMENT, Kind.POOL):
            self._cache.start_relist(kind)
            all_missed = 0
            for namespace in self._scopes:
                listing = await self._cluster.list_all(kind, namespace=namespace)
                if not rewound and self._cache.is_ahead_of(kind, listing):
                    self.rewound()  # after this pass there is another: what it has listed already may be wrong
                    rewound = True
                missed = self._cache.replace(kind, listing, namespace=namespace, rewound=rewound)
                all_missed += missed
                if missed:
                    log.info("%d %ss had vanished without the watch telling", missed, kind.value)
            self._on_listed(kind, all_missed)
        self._overcome = rewinds


def _advice(error: ClusterError) -> str:
    if error.missing:
        return "; install the WorkerPool CRD (helm does, or kubectl apply -f crds/)"
    if error.forbidden:
        return "; grant the operator's service account list and watch, as the chart does"
    return ""
