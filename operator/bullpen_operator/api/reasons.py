"""Why something is so: one vocabulary for conditions, Events, metrics and logs.

A reason is spelled in this file and nowhere else, so that what `kubectl describe` shows can be searched for
in logs and in metrics.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """A CamelCase word (as the Kubernetes API conventions ask) with the sentence that documents it in `meaning`."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member

    # What a number of replicas was derived from.
    BACKLOG = "Backlog", "This many pods start the jobs that wait or are due within the wait objective."
    ARRIVALS = "Arrivals", "Jobs keep coming, and this many pods keep their wait within the objective."
    QUEUE_LENGTH = "QueueLength", "More jobs wait than scaling.thresholds.queueLength allows for each pod."
    WAIT_TIME = "WaitTime", "The oldest waiting job has waited longer than scaling.thresholds.waitSeconds."
    CPU = "Cpu", "The workers use more CPU than scaling.thresholds.cpuPercent."
    IDLE = "Idle", "No job waits, is due or runs."

    # What held a number back or pushed it, besides the demand.
    MIN_REPLICAS = "MinReplicas", "The demand is below scaling.minReplicas."
    MAX_REPLICAS = "MaxReplicas", "The demand is above scaling.maxReplicas."
    PINNED = "Pinned", "spec.replicas fixes the size and switches autoscaling off."
    PAUSED = "Paused", "scaling.paused forbids the change."
    QUEUE_PAUSED = "QueuePaused", "The queue is paused, so only jobs that already run need pods."
    GLOBAL_CONCURRENCY = (
        "GlobalConcurrency",
        "The queue's own concurrency limit leaves more pods without work.",
    )
    QUEUE_RATE_LIMIT = "QueueRateLimit", "The queue's own rate limit leaves more pods without work."
    SCHEDULE = "Schedule", "A window of scaling.schedule is open and asks for more pods."
    FALLBACK = "Fallback", "The queue could not be read for scaling.fallback.afterSeconds."
    STABILIZATION = "Stabilization", "More pods were needed within scaling.stabilizationSeconds."
    DEAD_BAND = "DeadBand", "The step down is too small to be worth it."
    SEEN_BEFORE = "SeenBefore", "The load came before, and the pool grows at once to what it needed then."
    MAY_RETURN = "MayReturn", "The load has come back soon so far, so what it needs is kept for it."
    CHURN = "Churn", "The pods that could go have not cost as much yet as a change of size may."
    JUST_STARTED = "JustStarted", "The operator has not watched the queue long enough to shrink the pool."
    COUNTERS_RESET = (
        "CountersReset",
        "The queue's counters ran backwards; nothing shrinks until they were watched anew.",
    )
    FOREIGN_SCALER = "ForeignScaler", "Another scaler changes the same Deployment; remove it to let the pool scale."
    AWAITING_DRAIN = (
        "AwaitingDrain",
        "Fewer pods would do, but the jobs that run on them are not finished.",
    )
    BUSY = "Busy", "Jobs run, and their pods are kept."
    IDLE_WINDOW = "IdleWindow", "The queue has not been idle for scaling.idleSeconds yet."
    NEXT_JOB_DUE = (
        "NextJobDue",
        "A delayed job is due before new pods could start, so the running ones are kept.",
    )
    RATE_LIMIT = "RateLimit", "The pool changed a moment ago; the next step waits a few seconds."
    ROLLOUT_IN_PROGRESS = (
        "RolloutInProgress",
        "A new pod template is being rolled out; nothing shrinks meanwhile.",
    )

    # What is known of the queue.
    REACHABLE = "Reachable", "Redis answers."
    UNREACHABLE = "Unreachable", "Redis does not answer at the address the pool names."
    AUTHENTICATION_FAILED = "AuthenticationFailed", "Redis refuses the user or the password."
    PERMISSION_DENIED = (
        "PermissionDenied",
        "The ACL of the Redis user does not allow what reading the queue takes.",
    )
    TLS_FAILED = (
        "TlsFailed",
        "No TLS session with Redis: a certificate is not trusted or cannot be used, or the port speaks no TLS.",
    )
    BAD_URL = "BadUrl", "The Redis URL cannot be used as it is written."
    SECRET_MISSING = "SecretMissing", "A Secret that spec.redis names, or the key in it, does not exist."
    SECRET_FORBIDDEN = "SecretForbidden", "The operator may not read a Secret that spec.redis names."
    QUEUE_UNREADABLE = (
        "QueueUnreadable",
        "Redis answers, but what lies under the queue's keys is no BullMQ queue.",
    )
    QUEUE_FOUND = "QueueFound", "The queue exists in Redis."
    QUEUE_NOT_FOUND = (
        "QueueNotFound",
        "Neither the queue's meta nor its id key exists: wrong name, wrong prefix, or no job yet.",
    )
    NOT_READ = "NotRead", "The queue has not been read since the pool or its Redis last changed."

    # What is known of the Deployment.
    SCALING = "Scaling", "The number of pods follows the queue."
    PODS_STARTING = "PodsStarting", "The pods of this generation are not ready yet."
    PODS_READY = "PodsReady", "The pods of this generation are ready."
    AT_ZERO = "AtZero", "No pod is asked for at present, and none runs."
    UP_TO_DATE = "UpToDate", "The Deployment is what the pool's spec asks for."
    ROLLOUT_STALLED = "RolloutStalled", "New pods do not become ready, or may not be made."
    TEMPLATE_REJECTED = "TemplateRejected", "The pod template cannot be used; the Deployment stays as it was."
    SPEC_NOT_UNDERSTOOD = (
        "SpecNotUnderstood",
        "This version of the operator cannot read the pool's spec; the Deployment stays as it was.",
    )
    DEPLOYMENT_CONFLICT = (
        "DeploymentConflict",
        "A Deployment with the pool's name exists that the pool does not own.",
    )
    WRITE_FAILED = "WriteFailed", "The API server does not take the operator's write; it is tried again."
    QUOTA = "Quota", "A ResourceQuota of the namespace leaves no room for what the pool needs."

    # What is known of the pods.
    CRASH_LOOP = "CrashLoop", "A container ends again and again soon after its start."
    IMAGE_PULL = "ImagePull", "An image cannot be pulled."
    UNSCHEDULABLE = "Unschedulable", "No node takes a pod: too little CPU or memory, or none that its rules allow."
    CONTAINER_CONFIG = "ContainerConfig", "A container cannot be made: a Secret, ConfigMap or key it names is missing."
    PODS_NOT_READY = "PodsNotReady", "Pods were asked for, and for minutes not one has become ready."
    NOT_DRAINING = "NotDraining", "No pod is asked to finish its jobs and go."
    DRAINING = "Draining", "Pods finish their jobs and take no more; they are ended then."

    # What came of the promise, and what is in its way.
    OBJECTIVE_MET = "ObjectiveMet", "No more jobs start late than scaling.waitObjective allows."
    OBJECTIVE_MISSED = "ObjectiveMissed", "More jobs start late than scaling.waitObjective allows."
    NOT_LIMITED = "NotLimited", "The pool has as many pods as its queue asks for, or is on the way there."
    SOLE_POOL = "SolePool", "No other pool is known to serve the queue."
    QUEUE_SHARED = (
        "QueueShared",
        "Another pool serves the same queue: each is sized for the whole queue, so there are more pods than needed.",
    )

    # What happened (Events only).
    SCALED_UP = "ScaledUp", "The pool grew."
    SCALED_FROM_ZERO = "ScaledFromZero", "The pool started its first pods."
    SCALED_DOWN = "ScaledDown", "The pool shrank."
    SCALED_TO_ZERO = "ScaledToZero", "The pool stopped its last pods because nothing waits or runs."
    QUEUE_UNREACHABLE = (
        "QueueUnreachable",
        "The queue can no longer be read; the number of pods stays as it is.",
    )
    QUEUE_RECOVERED = "QueueRecovered", "The queue can be read again."
    DRAIN_STARTED = "DrainStarted", "Pods were asked to claim no more jobs, so that they can be ended."
    DRAIN_COMPLETED = "DrainCompleted", "Pods that had finished their jobs are ended."
    DRAIN_CANCELLED = "DrainCancelled", "The pods are needed again, or kept, and go on claiming jobs."
    DRAIN_OVERRAN = "DrainOverran", "A pod that is to go runs jobs for longer than drain.seconds."
    GRACE_PERIOD_TOO_SHORT = (
        "GracePeriodTooShort",
        "More than one job in 200 runs for longer than drain.seconds, so that a rollout or a lost node interrupts it.",
    )
    FALLBACK_ACTIVATED = "FallbackActivated", "The queue could not be read for long, so scaling.fallback holds."
    FALLBACK_DEACTIVATED = "FallbackDeactivated", "The queue can be read again, and scaling.fallback no longer holds."
    OBJECTIVE_RECOVERED = "ObjectiveRecovered", "Jobs start within scaling.waitObjective again."
    WORKERS_RECOVERED = "WorkersRecovered", "The pods that are asked for run again."
    DISRUPTION_BUDGET_FAILED = (
        "DisruptionBudgetFailed",
        "The pool's PodDisruptionBudget could not be written; the pods run without it.",
    )


class ConditionType(StrEnum):
    """The conditions of a WorkerPool; each stands on the status at all times, with True, False or Unknown."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member

    READY = (
        "Ready",
        "The pool works as its spec says; a gap in the metrics or a change of size never turns it.",
    )
    RECONCILING = "Reconciling", "The Deployment is being brought to what the spec says."
    STALLED = "Stalled", "Somebody has to change something before it goes on."
    QUEUE_REACHABLE = "QueueReachable", "Redis answers for the queue."
    QUEUE_FOUND = "QueueFound", "The queue exists under the pool's name and prefix."
    SCALING_ACTIVE = "ScalingActive", "The number of pods follows the queue."
    SCALING_LIMITED = "ScalingLimited", "Something keeps the pool from the number of pods that its queue asks for."
    OBJECTIVE_MET = "ObjectiveMet", "Jobs start within scaling.waitObjective."
    DRAINING = "Draining", "Pods finish their jobs before they are ended."
    WORKERS_AVAILABLE = "WorkersAvailable", "Nothing keeps the pods that are asked for from running."
    QUEUE_SHARED = "QueueShared", "Another pool serves the same queue."
