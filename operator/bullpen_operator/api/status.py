"""The status of a WorkerPool, `bullpen.dev/v1alpha1`: what the operator writes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field

from bullpen_operator.api.model import INT32, Model
from bullpen_operator.api.rules import Extension

TIME: Final = Extension("format", "date-time")
INT64: Final = Extension("format", "int64")


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """One statement about the pool (Kubernetes API conventions, "Typical status properties")."""

    type: Annotated[str, Extension("maxLength", 316)] = Field(description="What is stated.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    observed_generation: Annotated[int, INT64] = Field(
        description="The generation of the spec that it speaks of. Ready keeps an older one while a newer is "
        "rolled out."
    )
    last_transition_time: Annotated[str, TIME] = Field(description="When status last changed.")
    reason: Annotated[str, Extension("maxLength", 1024)] = Field(description="Why, in one word.")
    message: Annotated[str, Extension("maxLength", 32768)] = Field(description="Why, in a sentence.")

    @staticmethod
    def turned_at(written: Mapping[str, Any], status: ConditionStatus, *, time: str) -> str:
        """When a condition that is `status` now turned: at `time`, unless it was `written` with that status already."""
        turned: str = written.get("lastTransitionTime", time) if written.get("status") == status else time
        return turned


class QueueNumbers(Model):
    """The queue as last read, rounded to two significant digits; exact values are in the metrics."""

    waiting: Annotated[int, INT64] = Field(description="Jobs that wait for a worker.")
    active: Annotated[int, INT64] = Field(description="Jobs that run.")
    delayed: Annotated[int, INT64] = Field(description="Jobs that are to run later, those just due included.")
    failed: Annotated[int, INT64] = Field(description="Jobs that failed for good and are kept.")
    oldest_wait_seconds: Annotated[int | None, INT64] = Field(
        default=None, description="Seconds the oldest waiting job has waited; missing when none waits."
    )
    paused: bool = Field(description="Whether the queue is paused.")


class RateNumbers(Model):
    """What was learned of the queue's traffic, rounded to two significant digits."""

    arrivals: float = Field(description="Jobs per second that become ready to run; below 0.01 it is 0.")
    completions: float = Field(description="Jobs per second that end; below 0.01 it is 0.")
    service_seconds: float = Field(description="How long a job runs.")
    source: str = Field(description="What completions are counted by: Metrics, Ids, FinishedSets, or None yet.")


class DecisionRecord(Model):
    """The last decision that changed the number of pods, or the reason for it."""

    time: Annotated[str, TIME] = Field(description="When it was made.")
    from_: Annotated[int, INT32] = Field(alias="from", description="Pods before.")
    to: Annotated[int, INT32] = Field(description="Pods after.")
    reason: str = Field(description="What the number follows from, in one word.")
    limited_by: str | None = Field(default=None, description="The limit that changed the number last, in one word.")
    message: str = Field(description="The decision in a sentence.")
    inputs: dict[str, float] = Field(description="The numbers it was made from.")


class WorkerPoolStatus(Model):
    """What the operator sees and decided."""

    observed_generation: Annotated[int, INT64] = Field(description="The generation of the spec last seen.")
    replicas: Annotated[int, INT32] = Field(description="Pods there are.")
    ready_replicas: Annotated[int, INT32] = Field(description="Pods that are ready.")
    desired_replicas: Annotated[int, INT32] = Field(description="Pods there should be.")
    busy_replicas: Annotated[int | None, INT32] = Field(
        default=None, description="Pods that run a job; missing while nobody can tell. Up to a minute old."
    )
    draining_replicas: Annotated[int | None, INT32] = Field(
        default=None, description="Pods that finish their jobs and go then; missing while pods cannot be drained."
    )
    ready: str = Field(description="Ready and desired pods, as 3/5.")
    selector: str = Field(description="Label selector of the pods.")
    queue: QueueNumbers | None = Field(default=None, description="The queue as last read.")
    rates: RateNumbers | None = Field(default=None, description="What was learned of the queue's traffic.")
    decision: DecisionRecord | None = Field(default=None, description="The last decision.")
    last_scale_time: Annotated[str | None, TIME] = Field(
        default=None, description="When the number of pods was last changed."
    )
    conditions: Annotated[
        list[Condition],
        Extension("x-kubernetes-list-type", "map"),
        Extension("x-kubernetes-list-map-keys", ["type"]),
    ] = Field(description="Statements about the pool.")
