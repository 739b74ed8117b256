"""Which reasons each condition gives, and which are told as Events: what people and alerts may rely on.

The reference pages are written from these tables, and tests hold the code to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bullpen_operator.api.reasons import ConditionType, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

UNREAD: Final = (
    Reason.UNREACHABLE,
    Reason.AUTHENTICATION_FAILED,
    Reason.PERMISSION_DENIED,
    Reason.TLS_FAILED,
    Reason.BAD_URL,
    Reason.SECRET_MISSING,
    Reason.SECRET_FORBIDDEN,
    Reason.QUEUE_UNREADABLE,
)
"""Why a queue cannot be read."""

FAILED: Final = (
    Reason.TEMPLATE_REJECTED,
    Reason.QUOTA,
    Reason.DEPLOYMENT_CONFLICT,
    Reason.ROLLOUT_STALLED,
    Reason.SPEC_NOT_UNDERSTOOD,
)
"""Why a pool does not get what its spec says, and will not before somebody changes something."""

_LIMITS: Final = (Reason.MAX_REPLICAS, Reason.GLOBAL_CONCURRENCY, Reason.QUEUE_RATE_LIMIT, Reason.AWAITING_DRAIN)
_POD_TROUBLE: Final = (Reason.CRASH_LOOP, Reason.IMAGE_PULL, Reason.UNSCHEDULABLE, Reason.CONTAINER_CONFIG)

REASONS: Final[Mapping[ConditionType, tuple[Reason, ...]]] = {
    ConditionType.READY: (Reason.PODS_READY, Reason.AT_ZERO, Reason.PODS_STARTING, *FAILED),
    ConditionType.RECONCILING: (
        Reason.UP_TO_DATE,
        Reason.PODS_STARTING,
        Reason.ROLLOUT_IN_PROGRESS,
        Reason.WRITE_FAILED,
        *FAILED,
    ),
    ConditionType.STALLED: (Reason.UP_TO_DATE, *FAILED),
    ConditionType.QUEUE_REACHABLE: (Reason.REACHABLE, *UNREAD),
    ConditionType.QUEUE_FOUND: (Reason.QUEUE_FOUND, Reason.QUEUE_NOT_FOUND, Reason.NOT_READ),
    ConditionType.SCALING_ACTIVE: (
        Reason.SCALING,
        Reason.PINNED,
        Reason.PAUSED,
        Reason.QUEUE_PAUSED,
        Reason.FALLBACK,
        Reason.FOREIGN_SCALER,
        Reason.QUEUE_NOT_FOUND,
        *UNREAD,
        *FAILED,
    ),
    ConditionType.SCALING_LIMITED: (Reason.NOT_LIMITED, *_LIMITS, Reason.QUOTA, Reason.NOT_READ),
    ConditionType.OBJECTIVE_MET: (
        Reason.OBJECTIVE_MET,
        Reason.OBJECTIVE_MISSED,
        Reason.QUEUE_PAUSED,
        Reason.NOT_READ,
    ),
    ConditionType.DRAINING: (Reason.NOT_DRAINING, Reason.DRAINING),
    ConditionType.WORKERS_AVAILABLE: (
        Reason.PODS_READY,
        Reason.AT_ZERO,
        Reason.PODS_STARTING,
        Reason.PODS_NOT_READY,
        *_POD_TROUBLE,
        Reason.QUOTA,
    ),
    ConditionType.QUEUE_SHARED: (Reason.SOLE_POOL, Reason.QUEUE_SHARED, Reason.NOT_READ),
}
"""The reasons a condition may give, with whatever status."""

EVENTS: Final[Mapping[Reason, str]] = {
    Reason.SCALED_UP: "Normal",
    Reason.SCALED_FROM_ZERO: "Normal",
    Reason.SCALED_DOWN: "Normal",
    Reason.SCALED_TO_ZERO: "Normal",
    Reason.DRAIN_STARTED: "Normal",
    Reason.DRAIN_COMPLETED: "Normal",
    Reason.DRAIN_CANCELLED: "Normal",
    Reason.DRAIN_OVERRAN: "Warning",
    Reason.QUEUE_UNREACHABLE: "Warning",
    Reason.SECRET_MISSING: "Warning",
    Reason.SECRET_FORBIDDEN: "Warning",
    Reason.QUEUE_RECOVERED: "Normal",
    Reason.QUEUE_NOT_FOUND: "Warning",
    Reason.QUEUE_SHARED: "Warning",
    Reason.FALLBACK_ACTIVATED: "Warning",
    Reason.FALLBACK_DEACTIVATED: "Normal",
    Reason.OBJECTIVE_MISSED: "Warning",
    Reason.OBJECTIVE_RECOVERED: "Normal",
    Reason.CRASH_LOOP: "Warning",
    Reason.IMAGE_PULL: "Warning",
    Reason.UNSCHEDULABLE: "Warning",
    Reason.CONTAINER_CONFIG: "Warning",
    Reason.PODS_NOT_READY: "Warning",
    Reason.WORKERS_RECOVERED: "Normal",
    Reason.GRACE_PERIOD_TOO_SHORT: "Warning",
    Reason.FOREIGN_SCALER: "Warning",
    Reason.TEMPLATE_REJECTED: "Warning",
    Reason.QUOTA: "Warning",
    Reason.DEPLOYMENT_CONFLICT: "Warning",
    Reason.ROLLOUT_STALLED: "Warning",
    Reason.WRITE_FAILED: "Warning",
    Reason.DISRUPTION_BUDGET_FAILED: "Warning",
    Reason.SPEC_NOT_UNDERSTOOD: "Warning",
}
"""What is told as an Event of the pool, and its type."""
