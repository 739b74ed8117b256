"""The WorkerPool resource, `bullpen.dev/v1alpha1`: what people write.

These models are the single source: the CRD is generated from them (`api/crd.py`). Every field acts; one that
did nothing would be a lie in `kubectl explain`. Unknown fields are ignored here, because an older operator
may meet a newer CRD; the API server refuses or prunes them before.
"""

from typing import Annotated, Any, Final

from pydantic import Field

from bullpen_operator.api.model import INT32, Model, section
from bullpen_operator.api.pods import Environment, PodTemplate, Resources
from bullpen_operator.api.redis import Redis
from bullpen_operator.api.rules import Extension, Rule
from bullpen_operator.api.scaling import Scaling

GROUP: Final = "bullpen.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "WorkerPool"
PLURAL: Final = "workerpools"


class Drain(Model):
    """What a pod does when it has to stop."""

    seconds: Annotated[
        int,
        INT32,
        Rule(
            "self >= 0",
            "drain.seconds is negative: give the seconds a stopping pod may take to finish its jobs.",
        ),
        Rule("self <= 86400", "drain.seconds is above a day: give at most 86400 seconds."),
    ] = Field(
        default=300,
        description="Seconds a stopping pod may take to finish its jobs; what is left then goes "
        "back to the front of the queue. "
        "The pod's grace period is 15 s longer.",
    )
    strict: bool = Field(
        default=True,
        description="Whether a smaller pool waits for its jobs: true = only pods that run no job are ended, "
        "however long that takes; false = a pod is ended at the latest after drain.seconds, and jobs that it "
        "still runs go back to the queue.",
    )
    protect_from_consolidation: bool = Field(
        default=True,
        description="Whether pods that run jobs ask node autoscalers to leave them where they are "
        "(annotations karpenter.sh/do-not-disrupt: true and cluster-autoscaler.kubernetes.io/safe-to-evict: false).",
    )


class DisruptionBudget(Model):
    """Whether a PodDisruptionBudget guards the pods."""

    enabled: bool = Field(
        default=True,
        description="Whether there is a PodDisruptionBudget while the pool has more than one pod: node drains "
        "then take one pod at a time, and wait until it has finished.",
    )


class WorkerPoolSpec(Model):
    """What the pool should be."""

    queue: Annotated[
        str,
        Extension("maxLength", 255),
        Rule("self != ''", "queue is empty: give the name of the BullMQ queue whose jobs the pool runs."),
        Rule(
            "!self.contains(':')",
            "queue contains ':', which BullMQ uses between the parts of its keys: choose a name without it.",
        ),
    ] = Field(description="Name of the BullMQ queue whose jobs the pool runs.")
    prefix: Annotated[
        str,
        Extension("maxLength", 255),
        Rule(
            "self != ''",
            "prefix is empty: leave it out for BullMQ's default, bull, or give the prefix the producers use.",
        ),
    ] = Field(default="bull", description="BullMQ's key prefix, as the producers of the queue use it.")
    concurrency: Annotated[
        int,
        INT32,
        Rule("self >= 1", "concurrency is below 1: give the number of jobs one pod runs at a time."),
        Rule("self <= 10000", "concurrency is above 10000: let more pods share the work instead."),
    ] = Field(default=10, description="Jobs that one pod runs at a time (QUEUE_CONCURRENCY).")
    image: Annotated[
        str,
        Extension("maxLength", 1024),
        Rule("self != ''", "image is empty: give the image that holds the worker and your jobs."),
    ] = Field(description="Image of the worker.")
    app: Annotated[
        str | None,
        Extension("maxLength", 255),
        Rule(
            r"self.matches('^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$')",
            "app must read module:name, such as myapp.jobs:app: give the module the worker imports and the App in it.",
        ),
    ] = Field(
        default=None,
        description="What the worker imports, as module:name. Leave it out for images that are no "
        "Bullpen worker (Node BullMQ, say): "
        "these get REDIS_URL and the QUEUE_ variables, and no probes.",
    )
    redis: Annotated[
        Redis,
        Rule("!(has(self.url) && has(self.urlFrom))", "redis has both url and urlFrom: keep one of them."),
        Rule("has(self.url) || has(self.urlFrom)", "redis has neither url nor urlFrom: give one of them."),
        Rule(
            "!has(self.tls) || !has(self.url) || self.url.startsWith('rediss')",
            "redis.tls is given, but redis.url is without TLS: write rediss:// in it, or leave redis.tls out.",
        ),
        Rule(
            "!has(self.cluster) || !self.cluster || !has(self.url) || !self.url.contains('+sentinel://')",
            "redis.cluster is true, but redis.url names sentinels: leave redis.cluster out, or give a cluster's nodes.",
        ),
    ] = Field(description="Where the queue lives: exactly one of url and urlFrom.")
    resources: Resources = Field(default_factory=dict, description="CPU and memory of each worker pod.")
    env: Environment = Field(default_factory=list, description="Environment variables of the worker, as in a pod.")
    template: PodTemplate = Field(
        default_factory=dict,
        description=(
            "A pod template merged under what the operator sets: annotations, tolerations, "
            "volumes, sidecars, a service account."
        ),
    )
    scaling: Scaling = Field(
        default_factory=Scaling, json_schema_extra=section(), description="How many pods, and when."
    )
    drain: Drain = Field(
        default_factory=Drain, json_schema_extra=section(), description="What a pod does when it has to stop."
    )
    pod_disruption_budget: DisruptionBudget = Field(
        default_factory=DisruptionBudget,
        json_schema_extra=section(),
        description="Whether node drains take the pods one at a time.",
    )
    expected_job_seconds: Annotated[
        int,
        INT32,
        Rule("self >= 1", "expectedJobSeconds is below 1: give a first guess of how long a job runs, in seconds."),
        Rule("self <= 86400", "expectedJobSeconds is above a day: give at most 86400 seconds."),
    ] = Field(
        default=1, description="First guess of how many seconds a job runs; from the first jobs on it is learned."
    )
    replicas: Annotated[
        int | None,
        INT32,
        Rule(
            "self >= 0",
            "replicas is negative: give the number of pods to pin, or leave it out to let the pool scale.",
        ),
    ] = Field(
        default=None,
        description="Pins the number of pods and switches autoscaling off (kubectl scale writes "
        "it). Overrides minReplicas and paused, "
        "never maxReplicas. A null patch releases it.",
    )


SPEC_RULES: Final = (
    Rule(
        "self.scaling.minReplicas <= self.scaling.maxReplicas",
        "scaling.minReplicas is above scaling.maxReplicas: lower the one or raise the other.",
        field=".scaling.minReplicas",
    ),
    Rule(
        "!has(self.replicas) || self.replicas <= self.scaling.maxReplicas",
        "replicas is above scaling.maxReplicas, which a pin never overrides: lower the one or raise the other.",
        field=".replicas",
    ),
)
"""Rules over several fields of the spec.

They stand here because the API server checks the default of a section, {}, before it fills in the defaults inside.
"""

POOL_RULES: Final = (
    Rule(
        "self.metadata.name.size() <= 63",
        "metadata.name is longer than 63 characters, and becomes a label of the pods: choose a shorter name.",
    ),
)
"""Rules over the whole object."""


class Metadata(Model):
    """The part of an object's metadata that the operator reads."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    generation: int = 1
    deletion_timestamp: str | None = None


class WorkerPool(Model):
    """A pool as the API server gives it, read by `WorkerPool.model_validate(raw)`.

    Raises pydantic's ValidationError for an object that the CRD of this version would not have admitted.
    """

    metadata: Metadata
    spec: WorkerPoolSpec
    status: dict[str, Any] = Field(default_factory=dict)
    """As last written; the new one is built as a whole and reads this one for what it says of the past."""
