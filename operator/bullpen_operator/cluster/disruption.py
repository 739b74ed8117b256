"""The PodDisruptionBudget of a pool: what it should be, and when there should be one. Pure.

A job pool keeps no minimum of pods for anybody's sake: what an eviction costs is the jobs that run on the pod, which
has drain.seconds to finish them. So the budget bounds how many pods drain at a time for somebody else's reasons (a
node that is drained, a consolidation), never how many there have to be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bullpen_operator.api.pods import POOL_LABEL
from bullpen_operator.cluster.deployment import labels_of, owner_of

if TYPE_CHECKING:
    from bullpen_operator.api.pool import WorkerPool

Raw = dict[str, Any]

MAX_UNAVAILABLE: Final = "10%"
"""Rounded up by the disruption controller: one pod of up to ten. Always one would let the node of a large pool wait
for drain.seconds times as many pods as it holds.
"""


def intended_budget(pool: WorkerPool) -> Raw:
    """The full PodDisruptionBudget."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": pool.metadata.name,
            "namespace": pool.metadata.namespace,
            "labels": labels_of(pool),
            "ownerReferences": [owner_of(pool)],
        },
        "spec": {
            "maxUnavailable": MAX_UNAVAILABLE,
            "selector": {"matchLabels": {POOL_LABEL: pool.metadata.name}},
            # A pod that is not ready may be evicted whatever the budget says, or a crash loop would hold up the drain
            # of its node for ever; should it run jobs all the same, they have their drain.seconds.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def budget_wanted(pool: WorkerPool, *, replicas: int, exists: bool) -> bool:
    """Whether there is to be one: from the first time the pool has more than one pod.

    It then stays while the pool shrinks, or each swing around one pod would cost two writes; over one pod or none it
    forbids nothing. It goes when it is disabled, or when the pool may no longer have more than one pod.
    """
    spec = pool.spec
    return spec.pod_disruption_budget.enabled and spec.scaling.max_replicas > 1 and (exists or replicas > 1)
