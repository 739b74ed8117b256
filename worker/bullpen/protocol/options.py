"""Job options: the `opts` JSON of a job hash and its abbreviations (protocol §1.4)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from bullpen.errors import ConfigurationError, ProtocolError
from bullpen.protocol.deduplication import Deduplication

MAX_PRIORITY: Final = 2_097_151
# Whole numbers are exact up to here in Lua, in Node and in the scores of Redis.
_FOREVER: Final = 2**53 - 2
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt: `type` fixed, exponential or a custom name; `delay` in ms.

    `jitter` is the share of the delay that is random, 0..1 (§5.1).
    """

    type: str
    delay: int = 0
    jitter: float | None = None

    def milliseconds(self, failures: int, random: Callable[[], float]) -> int:
        """Delay in ms after the given number of failures (1 for the first), by the formulas of §5.1.

        `random` returns a float in [0, 1). Raises ConfigurationError for a custom type: only the worker that
        has such a strategy can compute it.
        """
        if self.type == "fixed":
            mean = min(self.delay, _FOREVER)
        elif self.type == "exponential":
            mean = min(2 ** min(failures - 1, 53) * self.delay, _FOREVER)
        else:
            raise ConfigurationError(
                f"backoff type {self.type!r} is unknown here: use 'fixed' or 'exponential', "
                f'or declare it with @app.backoff("{self.type}")'
            )
        if not self.jitter:
            return mean
        lowest = mean * (1 - min(max(self.jitter, 0.0), 1.0))
        return math.floor(lowest + random() * (mean - lowest))

    @classmethod
    def parse(cls, value: object) -> Backoff | None:
        """From stored JSON: an object, or a bare number of ms (= fixed)."""
        if value is None or value is False:
            return None
        if isinstance(value, int | float):
            return cls(type="fixed", delay=int(value))
        if isinstance(value, Mapping) and isinstance(value.get("type"), str):
            jitter = value.get("jitter")
            return cls(
                type=value["type"],
                delay=int(value.get("delay") or 0),
                jitter=None if jitter is None else _share(jitter),
            )
        raise ProtocolError(f"job option backoff is {value!r}: expected a number of ms or an object with 'type'")

    def dump(self) -> dict[str, Any]:
        """The JSON object as it is stored."""
        stored: dict[str, Any] = {"type": self.type, "delay": self.delay}
        return stored if self.jitter is None else stored | {"jitter": self.jitter}


@dataclass(frozen=True, slots=True)
class KeepJobs:
    """Which finished jobs stay: the newest `count`, none older than `age` seconds; None = no such limit (§4.3).

    At most `limit` jobs (default 1000) are removed by age at one finish. `KeepJobs(count=0)` removes the job itself.
    """

    count: int | None = None
    age: float | None = None
    limit: int | None = None

    @classmethod
    def parse(cls, value: object) -> KeepJobs | None:
        """From `removeOnComplete`/`removeOnFail`; None when the option is absent."""
        if value is None:
            return None
        if value is True:
            return cls(count=0)
        if value is False:
            return cls()
        if isinstance(value, int | float):
            return cls(count=int(value))
        if isinstance(value, Mapping):
            count, age, limit = value.get("count"), value.get("age"), value.get("limit")
            return cls(
                count=None if count is None else int(count),
                age=None if age is None else age,
                limit=None if limit is None else int(limit),
            )
        raise ProtocolError(f"keep-jobs option is {value!r}: expected true, false, a count or an object")

    def dump(self) -> bool | int | dict[str, Any]:
        """The shortest JSON value that means the same."""
        if self.age is None and self.limit is None:
            if self.count is None:
                return False
            return True if self.count == 0 else self.count
        parts = {"age": self.age, "count": self.count, "limit": self.limit}
        return {name: value for name, value in parts.items() if value is not None}

    @property
    def argument(self) -> str:
        """One script argument: empty = keep all, else `count,age,limit` with empty parts for None."""
        if self.count is None and self.age is None:
            return ""
        return ",".join(map(_part, (self.count, self.age, self.limit)))


@dataclass(frozen=True, slots=True)
class JobOptions:
    """Options of one job. Times in ms; `timestamp` is epoch ms; `size_limit` in bytes of UTF-8 data.

    `extra` holds every other key of the stored JSON under its stored (abbreviated) name, unchanged; it is not to be
    changed either.
    """

    attempts: int = 0
    backoff: Backoff | None = None
    delay: int = 0
    priority: int = 0
    lifo: bool = False
    job_id: str | None = None
    timestamp: int | None = None
    remove_on_complete: KeepJobs | None = None
    remove_on_fail: KeepJobs | None = None
    stack_trace_limit: int | None = None
    keep_logs: int | None = None
    size_limit: int | None = None
    deduplication: Deduplication | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    _text: str | None = field(default=None, init=False, repr=False, compare=False)
    _checked: bool = field(default=False, init=False, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str | bytes) -> JobOptions:
        """From the `opts` field of a job hash; raises ProtocolError when that is no JSON object."""
        try:
            stored = json.loads(text)
        except ValueError as error:
            raise ProtocolError(f"job options are no JSON: {error}") from error
        if not isinstance(stored, dict):
            raise ProtocolError(f"job options are {type(stored).__name__}, not a JSON object")
        deduplication = Deduplication.parse(stored.get("de"))
        if deduplication is not None:  # what it does not understand stays as it is, among the others in `extra`
            del stored["de"]
        try:
            return cls(
                attempts=int(stored.pop("attempts", None) or 0),
                backoff=Backoff.parse(stored.pop("backoff", None)),
                delay=int(stored.pop("delay", None) or 0),
                priority=int(stored.pop("priority", None) or 0),
                lifo=bool(stored.pop("lifo", False)),
                job_id=_text(stored.pop("jobId", None)),
                timestamp=_whole(stored.pop("timestamp", None)),
                remove_on_complete=KeepJobs.parse(stored.pop("removeOnComplete", None)),
                remove_on_fail=KeepJobs.parse(stored.pop("removeOnFail", None)),
                stack_trace_limit=_whole(stored.pop("stackTraceLimit", None)),
                keep_logs=_whole(stored.pop("kl", None)),
                size_limit=_whole(stored.pop("sizeLimit", None)),
                deduplication=deduplication,
                extra=MappingProxyType(stored),
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise ProtocolError(f"job options hold a value of the wrong type: {error}") from error

    def checked(self, check: Callable[[JobOptions], None]) -> None:
        """Runs the check, which raises for what it does not allow: once, as many jobs share their options."""
        if not self._checked:
            check(self)
            object.__setattr__(self, "_checked", True)

    def dump(self) -> str:
        """The JSON text to store; `attempts` is always written, as Node does."""
        text = self._text
        if text is None:  # written once: many jobs share their options
            text = self._written()
            object.__setattr__(self, "_text", text)
        return text

    def _written(self) -> str:
        stored: dict[str, Any] = {"attempts": self.attempts}
        if self.backoff is not None:
            stored["backoff"] = self.backoff.dump()
        if self.delay:
            stored["delay"] = self.delay
        if self.priority:
            stored["priority"] = self.priority
        if self.lifo:
            stored["lifo"] = True
        if self.remove_on_complete is not None:
            stored["removeOnComplete"] = self.remove_on_complete.dump()
        if self.remove_on_fail is not None:
            stored["removeOnFail"] = self.remove_on_fail.dump()
        if self.deduplication is not None:
            stored["de"] = self.deduplication.dump()
        plain = {
            "jobId": self.job_id,
            "timestamp": self.timestamp,
            "stackTraceLimit": self.stack_trace_limit,
            "kl": self.keep_logs,
            "sizeLimit": self.size_limit,
        }
        stored.update((name, value) for name, value in plain.items() if value is not None)
        return json.dumps(stored | dict(self.extra), ensure_ascii=False, separators=(",", ":"))


def _part(value: object) -> str:
    """A number of a keep rule, in what Redis takes as an index: the largest say "for ever"."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    return str(max(-_FOREVER, min(int(value) if value == int(value) else value, _FOREVER)))


def _whole(value: object) -> int | None:
    return None if value is None else int(value)  # type: ignore[call-overload]


def _share(value: object) -> float:
    share = float(value)  # type: ignore[arg-type]
    if math.isnan(share):
        raise ValueError("jitter is not a number")
    return share


def _text(value: object) -> str | None:
    return None if value is None else str(value)
