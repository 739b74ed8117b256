from __future__ import annotations

import asyncio

import pytest

from bullpen import App, Delay, RateLimited, Requeue, Retry, Unrecoverable
from bullpen.errors import ConfigurationError
from bullpen.testing import Ending, run_job
from bullpen.testing import sync as blocking_kit
from bullpen.testing.declared import reference
from tests.integration.testing import studio
from tests.integration.testing.studio import Render, app


async def test_what_a_job_returns_and_reports_is_told() -> None:
    run = await run_job(studio.generate, Render(script_id="s1"), job_id="v1")
    assert run.ending is Ending.COMPLETED
    assert (run.job_id, run.value) == ("v1", {"videoUrl": "https://videos.example/s1"})
    assert (run.error, run.reason, run.again_in) == (None, None, None)
    assert run.progress == (10, {"frames": 24})
    assert [(each.name, each.data) for each in run.added] == [("done", {"of": "s1"})]


async def test_data_may_be_what_another_producer_writes() -> None:
    run = await run_job(studio.generate, {"scriptId": "s2"})
    assert run.value == {"videoUrl": "https://videos.example/s2"}


@pytest.mark.parametrize(
    ("attempt", "ending", "again_in"),
    [(1, Ending.RETRIED, 2.0), (2, Ending.RETRIED, 4.0), (3, Ending.FAILED, None)],
)
async def test_an_attempt_that_fails_is_tried_again_as_declared(
    attempt: int, ending: Ending, again_in: float | None
) -> None:
    run = await run_job(studio.generate, Render(script_id="s", fails=3), attempt=attempt)
    assert (run.ending, run.again_in) == (ending, again_in)
    assert isinstance(run.error, ValueError)
    assert run.logs == (f"attempt {attempt} fails",)
    assert run.reason == "ValueError: no frames"
    assert run.value is None
    assert run.record.attempts_made == attempt


async def test_a_retry_of_the_producer_wins_over_the_declared_one() -> None:
    run = await run_job(studio.generate, Render(script_id="s", fails=1), retry=Retry(attempts=2, delay=0))
    assert (run.ending, run.again_in) == (Ending.RETRIED, 0.0)


@pytest.mark.parametrize(
    ("data", "ending", "raised", "again_in"),
    [
        ("delay", Ending.DELAYED, Delay, 60.0),
        ("limit", Ending.RATE_LIMITED, RateLimited, 30.0),
        ("requeue", Ending.REQUEUED, Requeue, 0.0),
    ],
)
async def test_a_job_that_puts_itself_off_is_no_failure(
    data: str, ending: Ending, raised: type[BaseException], again_in: float
) -> None:
    run = await run_job(studio.signal, data)
    assert (run.ending, run.again_in, type(run.error)) == (ending, again_in, raised)
    assert run.record.attempts_made == 0


async def test_children_can_be_given() -> None:
    run = await run_job(studio.merge, {}, children={"bull:images:1": "a.png", "bull:images:2": {"b": 1}})
    assert run.value == ["a.png", "{'b': 1}"]


async def test_data_that_does_not_fit_fails_without_a_call() -> None:
    run = await run_job(studio.generate, {"scriptId": 7})
    assert (run.ending, run.error) == (Ending.FAILED, None)
    assert run.reason is not None
    assert run.reason.startswith("data does not fit Render: scriptId")


async def test_a_result_that_is_no_json_fails_the_job() -> None:
    run = await run_job(studio.odd, None)
    assert run.ending is Ending.FAILED
    assert "no JSON" in str(run.reason)


async def test_a_plain_function_runs_in_a_thread() -> None:
    run = await run_job(studio.blocking, Render(script_id="s"), job_id="b1")
    assert (run.value, run.progress) == ("b1", (50,))
    failed = await run_job(studio.blocking, Render(script_id="s", fails=1))
    assert isinstance(failed.error, Unrecoverable)


async def test_a_job_of_every_other_name_gets_the_name() -> None:
    run = await run_job(studio.send, {"of": "you"}, name="welcome")
    assert run.value == "welcome to you"


def test_it_needs_no_event_loop() -> None:
    run = blocking_kit.run_job(studio.generate, Render(script_id="s1"))
    assert run.value == {"videoUrl": "https://videos.example/s1"}


async def test_what_is_no_job_is_refused() -> None:
    def lonely(data: object) -> None: ...

    with pytest.raises(ConfigurationError, match="lonely is no job: decorate it"):
        await run_job(lonely)
    with pytest.raises(ConfigurationError, match="does jobs named 'generate' only"):
        await run_job(studio.generate, {}, name="other")
    with pytest.raises(ConfigurationError, match="is no job of queue 'mails'"):
        await run_job(studio.generate, {}, queue=studio.mails)


async def test_a_function_of_several_jobs_asks_which() -> None:
    app = App()

    async def shared(data: int) -> int:
        return data + 1

    one, two = app.queue("one"), app.queue("two")
    one.job("a")(shared)
    two.job("b")(shared)
    with pytest.raises(ConfigurationError, match=r"does several jobs \(one/a, two/b\): say which"):
        await run_job(shared, 1)
    assert (await run_job(shared, 1, queue=two)).value == 2
    assert (await run_job(shared, 2, name="a")).record.name == "a"


async def test_a_job_that_does_not_end_is_named() -> None:
    app = App()

    @app.queue("slow").job("sleep")
    async def sleep(data: object) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="job 'sleep' has not ended within '50ms'"):
        await run_job(sleep, timeout="50ms")


def test_an_app_is_found_by_the_name_that_a_process_can_import() -> None:
    assert reference(app) == f"{studio.__name__}:app"
    assert reference(App()) is None
