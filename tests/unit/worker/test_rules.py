from __future__ import annotations

from typing import Any

import pytest

from bullpen import App, ConfigurationError, Retry, Unrecoverable
from bullpen.protocol import Backoff, JobRecord
from bullpen.protocol.calls.work import RateLimit
from bullpen.runtime.endings import Failed, Retried, after_failure, unstartable
from bullpen.runtime.rules import NoBackoff, Rules, Strategy

JOB = JobRecord(id="1", fields={b"name": b"render", b"opts": b'{"attempts":9,"backoff":{"type":"mine","delay":7}}'})
ERROR = ValueError("no such script")


def pause(strategy: Strategy, failures: int = 1) -> int | None:
    rules = Rules(backoffs={"mine": strategy})
    return rules.pause_ms(Backoff("mine", 7), failures, ERROR, JOB, lambda: 0.0)


def test_a_strategy_is_given_what_happened() -> None:
    given: list[Any] = []

    def strategy(*arguments: Any) -> str:
        given.extend(arguments)
        return "2s"

    assert pause(strategy, failures=3) == 2000
    assert given == [3, ERROR, JOB]


@pytest.mark.parametrize(
    ("answer", "ms"),
    [
        pytest.param(1.5, 1500, id="seconds"),
        pytest.param("5m", 300_000, id="a text"),
        pytest.param(0, 0, id="at once"),
        pytest.param(-1, None, id="never again"),
    ],
)
def test_what_a_strategy_may_answer(answer: Any, ms: int | None) -> None:
    assert pause(lambda *_: answer) == ms


@pytest.mark.parametrize("answer", [None, "soon", True, float("nan"), float("inf")])
def test_an_answer_that_is_no_duration_is_told(answer: Any) -> None:
    with pytest.raises(NoBackoff, match="backoff 'mine' returned"):
        pause(lambda *_: answer)


def test_a_strategy_that_fails_is_told_and_ends_the_job() -> None:
    def strategy(*_: Any) -> int:
        raise SystemExit(3)

    ending = after_failure(JOB, ERROR, code=None, random=lambda: 0.0, rules=Rules(backoffs={"mine": strategy}))
    assert isinstance(ending, Failed)
    assert ending.reason == "ValueError: no such script (not tried again: backoff 'mine' raised SystemExit: 3)"


def test_an_unknown_strategy_ends_the_job_with_what_to_do() -> None:
    ending = after_failure(JOB, ERROR, code=None, random=lambda: 0.0)
    assert isinstance(ending, Failed)
    assert "(not tried again: backoff type 'mine' is unknown here" in ending.reason
    assert 'declare it with @app.backoff("mine")' in ending.reason


def test_what_is_final_asks_no_strategy() -> None:
    def strategy(*_: Any) -> int:
        pytest.fail("it was asked")

    rules = Rules(backoffs={"mine": strategy})
    assert isinstance(after_failure(JOB, Unrecoverable("gone"), code=None, random=lambda: 0.0, rules=rules), Failed)


@pytest.mark.parametrize(("starts", "ending"), [(1, Retried), (2, Failed), (3, Failed)])
def test_the_last_start_allowed_is_the_last_attempt(starts: int, ending: type) -> None:
    job = JobRecord(id="1", fields={b"name": b"x", b"opts": b'{"attempts":9}', b"ats": b"%d" % starts})
    rules = Rules(max_started=2)
    assert isinstance(after_failure(job, ERROR, code=None, random=lambda: 0.0, rules=rules), ending)
    assert (unstartable(job, rules) is not None) is (starts > 2)


def test_queues_have_rules() -> None:
    app = App()

    @app.backoff("mine")
    def mine(failures: int, error: BaseException, job: JobRecord) -> str:
        return "1s"

    queue = app.queue("videos", limiter=(5, "1m"), max_started_attempts=7)
    assert queue.rules == Rules(limiter=RateLimit(5, 60_000), max_started=7, backoffs={"mine": mine})
    assert app.queue("videos") is queue
    assert app.queue("videos", limiter=(5, 60)) is queue
    with pytest.raises(ConfigurationError, match="'videos' is declared already, with other options"):
        app.queue("videos", limiter=(6, "1m"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        pytest.param({"limiter": (0, "1m")}, "must be a whole number >= 1", id="no starts"),
        pytest.param({"limiter": (True, "1m")}, "must be a whole number >= 1", id="a bool"),
        pytest.param({"limiter": (5, "soon")}, "is no duration", id="no duration"),
        pytest.param({"limiter": (5, 0)}, "limits nothing", id="no window"),
        pytest.param({"limiter": 5}, "must be how many starts in how long", id="a number alone"),
        pytest.param({"max_started_attempts": 0}, "max_started_attempts=0: must be", id="never to be started"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], complaint: str) -> None:
    app = App()
    with pytest.raises(ConfigurationError, match=complaint):
        app.queue("videos", **options)
    assert not app.queues


def test_backoffs_are_declared_once_and_compute_only() -> None:
    app = App()
    app.backoff("mine")(lambda *_: 1)
    for name, why in (("", "is empty"), ("fixed", "is built in"), ("mine", "is declared already")):
        with pytest.raises(ConfigurationError, match=why):
            app.backoff(name)
    with pytest.raises(ConfigurationError, match="must be a plain function"):

        @app.backoff("waits")  # type: ignore[type-var]
        async def waits(failures: int, error: BaseException, job: JobRecord) -> int:
            return 1


async def test_a_backoff_nobody_declared_is_refused_before_redis_is_asked() -> None:
    app = App(redis="redis://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match=r"Retry\(backoff='mine'\): unknown; use 'exponential' or 'fixed'"):
        await app.queue("videos").add("render", retry=Retry(backoff="mine"))
    await app.aclose()
