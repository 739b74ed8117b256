"""The WorkerPool resource, `bullpen.dev/v1alpha1`: what people write.

These models are the single source: the CRD is generated from them (`api/crd.py`). Every field acts; one that
did nothing would be a lie in `kubectl explain`. Unknown fields are ignored here, because an older operator
may meet a newer CRD; the API server refuses or prunes them before.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from bullpen_operator.api.pods import Environment, PodTemplate, Resources
from bullpen_operator.api.rules import Extension, Rule

GROUP: Final = "bullpen.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "WorkerPool"
PLURAL: Final = "workerpools"

INT32: Final = Extension("format", "int32")


class Model(BaseModel):
    """camelCase outside, snake_case inside, never changed after it was read."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


def section() -> dict[str, Any]:
    """`default: {}` in the CRD, which makes the API server fill in the defaults inside."""
    return {"default": {}}


class ScalingPause(StrEnum):
    """Which direction of scaling is held."""

    NONE = "None"
    IN = "In"
    OUT = "Out"
    BOTH = "Both"


class SecretKey(Model):
    """One key of a Secret in the pool's namespace."""

    name: Annotated[str, Extension("maxLength", 253)] = Field(description="Name of the Secret.")
    key: Annotated[str, Extension("maxLength", 253)] = Field(description="Key in its data.")


class UrlSource(Model):
    """Where the Redis URL is kept."""

    secret_key_ref: SecretKey = Field(description="The key of a Secret that holds the whole URL, password included.")


class PemSource(Model):
    """Where a certificate or key is kept."""

    secret_key_ref: SecretKey = Field(description="The key of a Secret that holds it in PEM form.")


class Tls(Model):
    """Whom to trust, and who the workers and the operator are."""

    ca_from: PemSource | None = Field(
        default=None,
        description="The certificate of the authority that signed the server's. The machine's own authorities are "
        "trusted besides.",
    )
    cert_from: PemSource | None = Field(
        default=None, description="The client certificate, for a Redis that asks for one; with keyFrom."
    )
    key_from: PemSource | None = Field(default=None, description="The key of the client certificate, not encrypted.")


class Redis(Model):
    """Where the queue lives: exactly one of url and urlFrom."""

    url: Annotated[
        str | None,
        Extension("maxLength", 2048),
        Rule(
            r"self.matches('^rediss?(\\+sentinel)?://[^/?#]+')",
            "redis.url must read redis://host:port/database, rediss:// for TLS, or "
            "redis+sentinel://host:port,host:port/master/database: correct the scheme or the host.",
        ),
    ] = Field(
        default=None,
        description="The Redis URL in plain text: redis://host:port/database, rediss:// for TLS, or "
        "redis+sentinel://host:port,host:port/master/database. "
        "Whoever may read the pool can read it: put a URL with a password into a Secret and use urlFrom.",
    )
    url_from: UrlSource | None = Field(
        default=None,
        description="Takes the Redis URL from a Secret in the pool's namespace. The operator must "
        "be allowed to get it "
        "(chart value redis.secretNames), and it is mounted into the pods, so a rotated password "
        "reaches running workers.",
    )
    cluster: bool = Field(
        default=False,
        description="The URL names nodes of a Redis Cluster, the same as ?cluster=true in it. The queue's prefix or "
        "name then needs a hash tag, such as {bull}.",
    )
    tls: Annotated[
        Tls | None,
        Rule(
            "has(self.certFrom) == has(self.keyFrom)",
            "redis.tls has one of certFrom and keyFrom: give both of them, or neither.",
        ),
        Rule(
            "has(self.caFrom) || has(self.certFrom) || has(self.keyFrom)",
            "redis.tls is empty: give caFrom, or certFrom with keyFrom, or leave it out.",
        ),
    ] = Field(
        default=None,
        description="Certificates for a URL with rediss://, each from a Secret in the pool's namespace that the "
        "operator must be allowed to get (chart value redis.secretNames). They are mounted into the pods.",
    )

    @property
    def secrets(self) -> dict[str, SecretKey]:
        """The Secrets' keys it names, by field."""
        sources: dict[str, UrlSource | PemSource | None] = {"urlFrom": self.url_from}
        if self.tls is not None:
            sources["tls.caFrom"] = self.tls.ca_from
            sources["tls.certFrom"], sources["tls.keyFrom"] = self.tls.cert_from, self.tls.key_from
        return {field: source.secret_key_ref for field, source in sources.items() if source is not None}


class Thresholds(Model):
    """Rules of thumb; each recommends a number of pods, and the largest recommendation wins."""

    queue_length: Annotated[
        int,
        INT32,
        Rule(
            "self >= 1",
            "scaling.thresholds.queueLength is below 1: give the number of waiting jobs one pod may have before it.",
        ),
    ] = Field(
        default=100,
        description="Waiting jobs per pod: with more, there is at least one pod for each that many.",
    )
    wait_seconds: Annotated[
        int,
        INT32,
        Rule(
            "self >= 1",
            "scaling.thresholds.waitSeconds is below 1: give the seconds a job may wait before the pool grows.",
        ),
    ] = Field(
        default=60,
        description="Seconds the oldest job may wait; beyond it the pool grows in proportion, at "
        "most to double at a step "
        "and never to more pods than jobs.",
    )
    cpu_percent: Annotated[
        int,
        INT32,
        Rule(
            "self >= 1 && self <= 100",
            "scaling.thresholds.cpuPercent is not in 1 to 100: give the per cent of its CPU that a worker may use.",
        ),
    ] = Field(
        default=80,
        description="Per cent of its CPU that a worker may use on average (of its limit, without one of its "
        "request); above it a pod counts for fewer jobs at a time, and the pool grows in proportion, at most to "
        "double at a step. Without CPU metrics or resources it does nothing.",
    )


class WaitObjective(Model):
    """The promise that the pool is sized to keep: so many per cent of the jobs start within so many seconds."""

    seconds: Annotated[
        int,
        INT32,
        Rule(
            "self >= 1",
            "scaling.waitObjective.seconds is below 1: give the seconds within which jobs are to start.",
        ),
        Rule(
            "self <= 604800",
            "scaling.waitObjective.seconds is above a week: give at most 604800 seconds.",
        ),
    ] = Field(default=30, description="Seconds within which a job is to start, from the moment it is ready to run.")
    percentile: Annotated[
        int,
        INT32,
        Rule(
            "self >= 50 && self <= 99",
            "scaling.waitObjective.percentile is not in 50 to 99: give the per cent of jobs that start in time.",
        ),
    ] = Field(default=99, description="Per cent of the jobs that are to start within these seconds.")


class Fallback(Model):
    """What holds while the queue cannot be read."""

    replicas: Annotated[
        int,
        INT32,
        Rule(
            "self >= 0",
            "scaling.fallback.replicas is negative: give the pods to have while the queue cannot be read.",
        ),
    ] = Field(description="Pods there are at least, once the queue could not be read for afterSeconds.")
    after_seconds: Annotated[
        int,
        INT32,
        Rule(
            "self >= 0",
            "scaling.fallback.afterSeconds is negative: give the seconds without a reading until the fallback holds.",
        ),
    ] = Field(default=120, description="Seconds without a reading; until then the number of pods stays as it is.")


def _cron() -> str:
    """A regular expression for five cron fields, as far as one can tell: no valid pattern is refused by it."""
    minute, hour = "[0-5]?[0-9]", "([01]?[0-9]|2[0-3])"
    numbers = [rf"(\\*|{part}(-{part})?)(/[0-9]+)?" for part in (minute, hour)]
    names = "[0-9A-Za-z*,/#-]+"  # days and months have names, and the letters L and W
    return "^" + " +".join([*(rf"{part}(,{part})*" for part in numbers), *[names] * 3]) + "$"


_CRON_RULE: Final = Rule(
    f"self.matches('{_cron()}')",
    "scaling.schedule[] has a start or end that is no cron pattern: give minute, hour, day of month, month and "
    "day of week, such as 0 8 * * 1-5.",
)


class Window(Model):
    """A time of the day or week with more pods at least."""

    start: Annotated[str, Extension("maxLength", 100), _CRON_RULE] = Field(
        description="When it opens: a cron pattern of five fields, such as 0 8 * * 1-5."
    )
    end: Annotated[str, Extension("maxLength", 100), _CRON_RULE] = Field(
        description="When it closes, a cron pattern likewise."
    )
    time_zone: Annotated[
        str,
        Extension("maxLength", 64),
        Rule(
            "self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$')",
            "scaling.schedule[].timeZone is no name of a time zone: give one such as Europe/Berlin, or UTC.",
        ),
    ] = Field(default="UTC", description="The time zone of both patterns, such as Europe/Berlin.")
    min_replicas: Annotated[
        int,
        INT32,
        Rule("self >= 0", "scaling.schedule[].minReplicas is negative: give the pods there are at least meanwhile."),
    ] = Field(description="Pods there are at least while it is open; never more than maxReplicas.")

    @field_validator("start", "end")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            CronSim(value, datetime(2024, 1, 1))
        except CronSimError as error:
            raise ValueError(f"{value!r} is no cron pattern of five fields: {error}") from None
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone: give a name such as Europe/Berlin") from None
        return value


class Scaling(Model):
    """How many pods, and when."""

    min_replicas: Annotated[
        int,
        INT32,
        Rule("self >= 0", "scaling.minReplicas is negative: use 0 to let an idle pool go to zero, or more."),
    ] = Field(default=0, description="Pods that are always there. With 0 an idle pool has none.")
    max_replicas: Annotated[
        int, INT32, Rule("self >= 1", "scaling.maxReplicas is below 1: allow the pool at least one pod.")
    ] = Field(default=10, description="Pods there are at most.")
    wait_objective: WaitObjective = Field(
        default_factory=WaitObjective,
        json_schema_extra=section(),
        description="The promise that the pool is sized to keep, with the fewest pods.",
    )
    thresholds: Thresholds = Field(
        default_factory=Thresholds,
        json_schema_extra=section(),
        description="Rules of thumb on top of the wait objective.",
    )
    stabilization_seconds: Annotated[
        int,
        INT32,
        Rule(
            "self >= 0",
            "scaling.stabilizationSeconds is negative: give the seconds for which a pod that was needed is kept.",
        ),
        Rule("self <= 86400", "scaling.stabilizationSeconds is above a day: give at most 86400 seconds."),
    ] = Field(
        default=120,
        description="The pool shrinks to the most pods that were needed in so many seconds.",
    )
    fallback: Fallback | None = Field(
        default=None, description="What holds while the queue cannot be read; without it the number of pods stays."
    )
    schedule: Annotated[list[Window], Extension("maxItems", 20)] = Field(
        default_factory=list, description="Times of the day or week with more pods at least."
    )
    idle_seconds: Annotated[
        int,
        INT32,
        Rule(
            "self >= 0",
            "scaling.idleSeconds is negative: give the seconds without a job before the pool goes to zero.",
        ),
    ] = Field(
        default=60,
        description="Seconds without a waiting, due or running job before the pool goes to minReplicas 0.",
    )
    paused: ScalingPause = Field(
        default=ScalingPause.NONE,
        description=(
            "Holds scaling by hand: In = no scale-down, Out = no scale-up, Both = neither, None = scaling is on."
        ),
    )


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
