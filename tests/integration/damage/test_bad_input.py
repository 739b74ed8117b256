"""What callers give that cannot be: refused by its name before anything is written, whatever door it comes through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bullpen import App, ConfigurationError, Dedup, Flow, Queue, Retry
from bullpen.protocol.options import KeepJobs
from bullpen.values import plain

MEGABYTE: Final = "x" * 1_000_000
NO_TEXT: Final[tuple[Any, ...]] = (5, True, 1.5, b"bytes", ["a"], object())
NAMES: Final[tuple[Any, ...]] = (*NO_TEXT, None, "", "a\0b", MEGABYTE, "\udcff")
IDS: Final[tuple[Any, ...]] = (*NAMES, "a:b")
NO_NUMBERS: Final[tuple[Any, ...]] = (True, "many", "", None, [], {}, float("nan"), float("inf"), 1.5, -1, -(2**63))
WHOLE: Final[tuple[Any, ...]] = (*NO_NUMBERS, 2**63, 10**400)
COUNTS: Final[tuple[Any, ...]] = (*WHOLE, 0)
DURATIONS: Final[tuple[Any, ...]] = (
    True,
    "many",
    "",
    "-1s",
    "1y",
    None,
    [],
    float("nan"),
    float("inf"),
    -1,
    2**63,
    10**400,
    MEGABYTE,
)
FLAGS: Final[tuple[Any, ...]] = (0, 1, "yes", "", None, [], 2**63)
MOMENTS: Final[tuple[Any, ...]] = (5, "tomorrow", datetime(2030, 1, 1))


def cycle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": [value]}
    return value


NO_JSON: Final[tuple[Any, ...]] = (
    {1, 2},
    {"a": {1}},
    frozenset(),
    object(),
    {"a": object()},
    b"bytes",
    [b"bytes"],
    float("nan"),
    {"a": [float("inf")]},
    -float("inf"),
    "half \ud83d",
    {"\udcff": 1},
    2**53,
    {"a": -(2**60)},
    10**400,
    {None: 1},
    {(1, 2): 3},
    cycle(),
    nested(50),
    nested(100_000),
    lambda: 1,
    1j,
)


Enter = Callable[[App, Queue, Any], Awaitable[Any]]


@dataclass(frozen=True)
class Door:
    """A way in: `field` is how its errors call the argument."""

    field: str
    values: tuple[Any, ...]
    enter: Enter


def those(values: tuple[Any, ...], *, but: Any = None) -> tuple[Any, ...]:
    """The values but one, which is no mistake there."""
    return tuple(value for value in values if type(value) is not type(but) or value != but)


def on_queue(act: Callable[[Queue, Any], Awaitable[Any]]) -> Enter:
    return lambda _app, queue, value: act(queue, value)


def adding(argument: str) -> Enter:
    return lambda _app, queue, value: queue.add("x", **{argument: value})


def retrying(argument: str) -> Enter:
    return made(lambda value: Retry(**{argument: value}), "retry")


def made(make: Callable[[Any], Any], argument: str) -> Enter:
    async def enter(_app: App, queue: Queue, value: Any) -> None:
        await queue.add("x", **{argument: make(value)})

    return enter


def scheduling(argument: str, **others: Any) -> Enter:
    return lambda _app, queue, value: queue.schedule("s", **{argument: value}, **others)


def flowing(argument: str, **others: Any) -> Enter:
    def enter(app: App, queue: Queue, value: Any) -> Awaitable[Any]:
        child: dict[str, Any] = {"queue": queue, "name": "child", **others, argument: value}
        return app.flow(Flow(queue=queue, name="parent", children=[Flow(**child)]))

    return enter


def on_job(act: Callable[[Any, Any], Awaitable[Any]]) -> Enter:
    return lambda _app, queue, value: act(queue.get("known"), value)


async def following(_app: App, queue: Queue, value: Any) -> None:
    async with queue.events(after=value):
        pass


async def asking(_app: App, queue: Queue, value: Any) -> None:
    await queue.get(value).state()


async def declaring(app: App, _queue: Queue, value: Any) -> None:
    app.queue(value)


DOORS: Final[dict[str, Door]] = {
    "App.queue": Door("queue name", IDS, declaring),
    "add: name": Door("job name", NAMES, on_queue(lambda queue, value: queue.add(value))),
    "add: data": Door("data of job", NO_JSON, on_queue(lambda queue, value: queue.add("x", value))),
    "add: job_id": Door("job id", (*NO_TEXT, "a\0b", MEGABYTE, "\udcff", "a:b", "12", "0", "wait"), adding("job_id")),
    "add: priority": Door("priority", (*WHOLE, 2_097_152), adding("priority")),
    "add: delay": Door("delay", DURATIONS, adding("delay")),
    "add: lifo": Door("lifo", FLAGS, adding("lifo")),
    "add: retry": Door("retry", (5, "fast", {"attempts": 2}), adding("retry")),
    "add: remove_on_complete": Door(
        "remove_on_complete", (-1, "x", 1.5, float("nan"), 2**63, []), adding("remove_on_complete")
    ),
    "add: remove_on_fail": Door("remove_on_fail", (-1, "x", 1.5, float("nan"), 2**63, {}), adding("remove_on_fail")),
    "KeepJobs: count": Door("count", those(WHOLE), made(lambda v: KeepJobs(count=v), "remove_on_fail")),
    "KeepJobs: age": Door(
        "age", (True, "old", -1, float("nan"), float("inf"), 2**63), made(lambda v: KeepJobs(age=v), "remove_on_fail")
    ),
    "KeepJobs: limit": Door(
        "limit", (True, 0, -1, 2**63, "x", 1.5), made(lambda v: KeepJobs(age=1, limit=v), "remove_on_fail")
    ),
    "add: dedup": Door("dedup", (5, True, [], {"id": "x"}, ""), adding("dedup")),
    "Dedup: id": Door("deduplication id", NAMES, made(lambda value: Dedup(value), "dedup")),
    "Dedup: ttl": Door("ttl", (*those(DURATIONS), 0), made(lambda v: Dedup("d", ttl=v), "dedup")),
    "Dedup: extend": Door("extend", FLAGS, made(lambda v: Dedup("d", ttl=5, extend=v), "dedup")),
    "Dedup: replace": Door("replace", FLAGS, made(lambda v: Dedup("d", replace=v), "dedup")),
    "Dedup: keep_last": Door("keep_last", FLAGS, made(lambda v: Dedup("d", keep_last=v), "dedup")),
    "Dedup: reschedule": Door("reschedule", FLAGS, made(lambda v: Dedup("d", reschedule=v), "dedup")),
    "Retry: attempts": Door("attempts", COUNTS, retrying("attempts")),
    "Retry: delay": Door("delay", DURATIONS, retrying("delay")),
    "Retry: jitter": Door("jitter", (True, "x", None, -0.1, 1.1, float("nan"), 2**63), retrying("jitter")),
    "Retry: backoff": Door("backoff", (*NAMES, "unheard-of"), retrying("backoff")),
    "flow: queue": Door("queue name", IDS, flowing("queue")),
    "flow: name": Door("job name", NAMES, flowing("name")),
    "flow: data": Door("data of job", NO_JSON, flowing("data")),
    "flow: job_id": Door("job id", (5, True, "a\0b", MEGABYTE, "a:b", "12"), flowing("job_id")),
    "flow: priority": Door("priority", WHOLE, flowing("priority")),
    "flow: delay": Door("delay", DURATIONS, flowing("delay")),
    "flow: lifo": Door("lifo", FLAGS, flowing("lifo")),
    "flow: on_failure": Door("on_failure", ("explode", 5, [], True), flowing("on_failure")),
    "flow: children": Door("children", (5, "x", [5], None), flowing("children")),
    "schedule: id": Door("schedule id", IDS, on_queue(lambda queue, value: queue.schedule(value, every="5m"))),
    "schedule: name": Door("job name", (*NO_TEXT, "", "a\0b", MEGABYTE), scheduling("name", every="5m")),
    "schedule: data": Door("data of job", NO_JSON, scheduling("data", every="5m")),
    "schedule: cron": Door(
        "cron",
        (5, True, "", "* *", "61 * * * *", "a b c d e", "* * * * * * *", "@often", MEGABYTE, "0 0 30 2 *"),
        scheduling("cron"),
    ),
    "schedule: tz": Door(
        "tz", (5, True, "", "Atlantis", "../../etc/passwd", "a\0b", MEGABYTE), scheduling("tz", cron="* * * * *")
    ),
    "schedule: every": Door("every", (*those(DURATIONS), 0), scheduling("every")),
    "schedule: limit": Door("limit", those(COUNTS), scheduling("limit", every="5m")),
    "schedule: start": Door("start", MOMENTS, scheduling("start", every="5m")),
    "schedule: end": Door("end", MOMENTS, scheduling("end", every="5m")),
    "schedule: offset": Door("offset", those(DURATIONS), scheduling("offset", every="5m")),
    "schedule: immediately": Door("immediately", FLAGS, scheduling("immediately", cron="* * * * *")),
    "schedule: priority": Door("priority", WHOLE, scheduling("priority", every="5m")),
    "unschedule": Door("schedule id", IDS, on_queue(lambda queue, value: queue.unschedule(value))),
    "clean: state": Door("state", (5, "gone", "", None, []), on_queue(lambda queue, value: queue.clean(value))),
    "clean: older_than": Door(
        "older_than", DURATIONS, on_queue(lambda queue, value: queue.clean("failed", older_than=value))
    ),
    "clean: limit": Door("limit", WHOLE, on_queue(lambda queue, value: queue.clean("failed", limit=value))),
    "drain": Door("delayed", FLAGS, on_queue(lambda queue, value: queue.drain(delayed=value))),
    "obliterate": Door("force", FLAGS, on_queue(lambda queue, value: queue.obliterate(force=value))),
    "retry_failed": Door("completed", FLAGS, on_queue(lambda queue, value: queue.retry_failed(completed=value))),
    "jobs: state": Door("state", (5, "gone", "", None, []), on_queue(lambda queue, value: queue.jobs(value))),
    "jobs: start": Door("start", WHOLE, on_queue(lambda queue, value: queue.jobs("failed", start=value))),
    "jobs: end": Door("end", those(WHOLE, but=-1), on_queue(lambda queue, value: queue.jobs("failed", end=value))),
    "set_concurrency": Door("concurrency", those(COUNTS), on_queue(lambda queue, value: queue.set_concurrency(value))),
    "set_rate_limit": Door(
        "rate limit", (5, "100", (1,), (1, 2, 3), []), on_queue(lambda queue, value: queue.set_rate_limit(value))
    ),
    "set_rate_limit: jobs": Door(
        "rate limit", COUNTS, on_queue(lambda queue, value: queue.set_rate_limit((value, "1m")))
    ),
    "set_rate_limit: duration": Door(
        "duration of the rate limit", (*DURATIONS, 0), on_queue(lambda queue, value: queue.set_rate_limit((5, value)))
    ),
    "events": Door("after", (*NO_TEXT, "", "$", "yesterday", "1-2-3", "9" * 20 + "-0", "-1", MEGABYTE), following),
    "get": Door("job id", (*NO_TEXT, None, ""), asking),
    "dedup_owner": Door("deduplication id", NAMES, on_queue(lambda queue, value: queue.dedup_owner(value))),
    "remove_dedup": Door("deduplication id", NAMES, on_queue(lambda queue, value: queue.remove_dedup(value))),
    "result": Door("timeout", those(DURATIONS), on_job(lambda job, value: job.result(timeout=value))),
    "change_delay": Door("delay", DURATIONS, on_job(lambda job, value: job.change_delay(value))),
    "change_priority": Door("priority", WHOLE, on_job(lambda job, value: job.change_priority(value))),
    "change_priority: lifo": Door("lifo", FLAGS, on_job(lambda job, value: job.change_priority(1, lifo=value))),
    "update_data": Door("data of job", NO_JSON, on_job(lambda job, value: job.update_data(value))),
    "logs: start": Door("start", those(WHOLE, but=-1), on_job(lambda job, value: job.logs(start=value))),
    "logs: end": Door("end", those(WHOLE, but=-1), on_job(lambda job, value: job.logs(end=value))),
    "clear_logs": Door("log rows", WHOLE, on_job(lambda job, value: job.clear_logs(keep=value))),
    "retry: completed": Door("completed", FLAGS, on_job(lambda job, value: job.retry(completed=value))),
    "retry: reset_attempts": Door("reset_attempts", FLAGS, on_job(lambda job, value: job.retry(reset_attempts=value))),
    "remove: children": Door("children", FLAGS, on_job(lambda job, value: job.remove(children=value))),
}


@pytest.fixture
async def app(redis_url: str) -> AsyncIterator[App]:
    async with App(redis=redis_url) as app:
        yield app


@pytest.fixture
async def queue(app: App) -> Queue:
    queue = app.queue("videos")
    await queue.add("x", job_id="known", delay="1h")
    return queue


def content(raw: redis.Redis) -> dict[Any, Any]:
    return {key: raw.dump(key) for key in sorted(raw.keys())}


@pytest.mark.parametrize("name", DOORS)
async def test_bad_input_is_refused_by_name_and_nothing_is_written(
    app: App, queue: Queue, redis_url: str, name: str
) -> None:
    door = DOORS[name]
    found = []
    with redis.Redis.from_url(redis_url) as raw:
        before = content(raw)
        for value in door.values:
            try:
                await door.enter(app, queue, value)
                found.append(f"{_short(value)} is accepted")
            except ConfigurationError as error:
                if door.field not in str(error) or len(str(error)) > 500:
                    found.append(f"{_short(value)}: {str(error)[:500]}")
            except Exception as error:  # noqa: BLE001 - whatever it is, it is not what was promised
                found.append(f"{_short(value)}: {str(error)[:200]!r} ({type(error).__name__})")
            if (after := content(raw)) != before:
                found.append(f"{_short(value)}: something was written")
                before = after
    assert found == []


def _short(value: object) -> str:
    try:
        return repr(value)[:60]
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"


scalars = (
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(codec="utf-8"))
values = st.recursive(scalars | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)
odd = st.sampled_from([*NO_JSON])


@given(values)
def test_all_that_json_can_say_is_taken(value: Any) -> None:
    assert plain("x", value) == value


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(value=values, bad=odd, data=st.data())
def test_one_value_that_is_no_json_spoils_all_around_it(value: Any, bad: Any, data: st.DataObject) -> None:
    wrapped = data.draw(st.sampled_from([[value, bad], {"a": value, "b": {"c": [bad]}}, [[bad], value]]))
    with pytest.raises(ConfigurationError, match="data of job 'x' is no JSON"):
        plain("x", wrapped)
