"""What people write of how a pool is scaled: `spec.scaling`."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator

from bullpen_operator.api.model import INT32, Model, section
from bullpen_operator.api.rules import Extension, Rule


class ScalingPause(StrEnum):
    """Which direction of scaling is held."""

    NONE = "None"
    IN = "In"
    OUT = "Out"
    BOTH = "Both"


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
