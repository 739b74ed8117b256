from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bullpen import App, ConfigurationError, Context, Unrecoverable
from bullpen.runtime.handler import Run, describe, encode_result

if TYPE_CHECKING:
    from decimal import Decimal


class Render(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    user_id: str
    frames: int = Field(default=1, ge=1)


async def with_model(data: Render, ctx: Context) -> None: ...
async def with_anything(data: Any) -> None: ...
async def with_dict(data: dict[str, Any]) -> None: ...
async def with_nothing() -> None: ...
async def with_context(ctx: Context) -> None: ...
async def with_default(data: dict[str, int] | None = None) -> None: ...
async def with_defaults(data: dict[str, int], ctx: Context | None = None, verbose: bool = False) -> None: ...
async def with_extra_default(data: dict[str, int], verbose: bool = False) -> None: ...
def plain(data: Render) -> None: ...


CONTEXT = Context(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("function", "data", "expected"),
    [
        pytest.param(
            with_model, '{"userId":"u"}', (Render(user_id="u"), CONTEXT), id="a model by alias, and a context"
        ),
        pytest.param(with_anything, "[1, null]", ([1, None],), id="without a type the JSON as it is"),
        pytest.param(with_dict, '{"a": 1.5}', ({"a": 1.5},), id="a dict"),
        pytest.param(with_nothing, "{}", (), id="no parameters"),
        pytest.param(with_context, "{}", (CONTEXT,), id="a context alone"),
        pytest.param(with_default, '{"a": 1}', ({"a": 1},), id="data, though it has a default"),
        pytest.param(with_defaults, '{"a": 1}', ({"a": 1}, CONTEXT), id="a context, though it has a default"),
        pytest.param(with_extra_default, '{"a": 1}', ({"a": 1},), id="a default of the function's own is left alone"),
        pytest.param(plain, '{"userId":"u","frames":3}', (Render(user_id="u", frames=3),), id="a model alone"),
    ],
)
def test_a_function_gets_what_it_takes(function: Any, data: str, expected: tuple[object, ...]) -> None:
    handler = describe(function, name="render", run=None, retry=None)
    assert handler.arguments(data, lambda: CONTEXT) == expected


@pytest.mark.parametrize(
    ("function", "data", "reason"),
    [
        pytest.param(with_model, "{}", "data does not fit Render: userId: Field required", id="a missing field"),
        pytest.param(
            with_model,
            '{"userId": "u", "frames": 0}',
            "data does not fit Render: frames: Input should be greater than or equal to 1",
            id="a value out of range",
        ),
        pytest.param(
            with_model, '{"userId": 1, "frames": "x"}', "userId: .*; frames: .*", id="every field that does not fit"
        ),
        pytest.param(
            with_dict, "[1]", "data does not fit dict: the whole: Input should be an object", id="a list for a dict"
        ),
        pytest.param(with_model, "{oops", "data is no JSON: .*'{oops'", id="no JSON for a model"),
        pytest.param(with_anything, "{oops", "data is no JSON: .*'{oops'", id="no JSON for anything"),
        pytest.param(with_anything, "NaN", "data is no JSON", id="NaN is no JSON"),
    ],
)
def test_data_that_does_not_fit_is_refused_for_good(function: Any, data: str, reason: str) -> None:
    handler = describe(function, name="render", run=None, retry=None)
    with pytest.raises(Unrecoverable, match=reason):
        handler.read(data)


def test_a_reason_names_a_few_of_many_misfits() -> None:
    async def numbers(data: list[int]) -> None: ...

    handler = describe(numbers, name="render", run=None, retry=None)
    with pytest.raises(Unrecoverable, match=r"data does not fit list: 0: .*; and 99,990 more$") as refused:
        handler.read("[" + ",".join(['"x"'] * 100_000) + "]")
    assert len(str(refused.value)) < 2000


def test_a_plain_function_runs_in_a_thread_and_a_coroutine_on_the_loop() -> None:
    assert describe(plain, name="a", run=None, retry=None).run is Run.THREAD
    assert describe(with_model, name="a", run=None, retry=None).run is Run.ASYNC
    assert describe(plain, name="a", run="thread", retry=None).run is Run.THREAD


async def too_many(data: object, ctx: Context, more: object) -> None: ...
async def keyword(data: object, *, more: object) -> None: ...
async def unknown_type(data: Decimal) -> None: ...
async def no_schema(data: Context) -> None: ...


class _Odd: ...


async def odd(data: _Odd) -> None: ...


@pytest.mark.parametrize(
    ("function", "run", "message"),
    [
        pytest.param(
            too_many, None, "takes data, ctx, more; a job function takes its data", id="a parameter without a type"
        ),
        pytest.param(keyword, None, "takes data, more", id="a required keyword"),
        pytest.param(unknown_type, None, "'Decimal', which does not exist at run time", id="a type for checkers only"),
        pytest.param(odd, None, "annotated as _Odd, which pydantic cannot validate", id="a class pydantic cannot read"),
        pytest.param(with_model, "fiber", "run='fiber' is unknown; use", id="a kind of run that is not there"),
        pytest.param(with_model, "thread", "run='thread' needs a plain", id="a coroutine in a thread"),
        pytest.param(plain, "async", 'run="async" needs an "async def"', id="a plain function on the loop"),
    ],
)
def test_a_function_that_cannot_be_a_job_is_refused_when_declared(function: Any, run: str | None, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        describe(function, name="render", run=run, retry=None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, b"null"),
        ({"a": [1, "ü"]}, '{"a":[1,"ü"]}'.encode()),
        (Render(user_id="u"), b'{"userId":"u","frames":1}'),
        ([Render(user_id="u")], b'[{"userId":"u","frames":1}]'),
        (float("nan"), b"null"),
    ],
)
def test_a_result_is_json(value: object, text: bytes) -> None:
    assert encode_result(value) == text


def test_a_result_that_is_no_json_fails_for_good_and_names_its_type() -> None:
    with pytest.raises(Unrecoverable, match=r"result: a .*_Odd is no JSON \("):
        encode_result(_Odd())


def test_a_name_has_one_function() -> None:
    queue = App().queue("videos")
    queue.job("render")(with_model)
    queue.job()(with_anything)
    with pytest.raises(ConfigurationError, match="jobs named 'render' are done by with_model already"):
        queue.job("render")(plain)
    with pytest.raises(ConfigurationError, match="all other jobs are done by with_anything already"):
        queue.job()(plain)
    with pytest.raises(ConfigurationError, match="a job name is empty"):
        queue.job("")


def test_an_app_names_each_queue_once() -> None:
    app = App()
    assert app.queue("videos") is app.queue("videos")
    with pytest.raises(ConfigurationError, match="contains ':'"):
        app.queue("a:b")


@pytest.mark.parametrize(
    ("timeout", "seconds"), [("20m", 1200.0), (90, 90.0), (0.5, 0.5), (timedelta(minutes=2), 120.0), (None, None)]
)
def test_a_timeout_is_a_duration(timeout: Any, seconds: float | None) -> None:
    assert describe(plain, name="a", run=None, retry=None, timeout=timeout).timeout == seconds


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": "20 minutes"}, "timeout='20 minutes': '20 minutes' is no duration"),
        ({"timeout": 0}, "timeout=0: leaves no time to run"),
        ({"timeout": timedelta(seconds=-1)}, "is no duration"),
        ({"timeout": True}, "True is no duration"),
        ({"memory": "1GiB"}, 'only a job with run="process" has memory of its own; this one has thread'),
        ({"memory": "much", "run": "process"}, "memory='much': 'much' is no amount of memory"),
    ],
)
def test_limits_that_cannot_work_are_refused_when_declared(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        describe(plain, **{"name": "a", "run": None, "retry": None, **options})


def test_a_coroutine_may_have_a_process() -> None:
    assert describe(with_model, name="a", run="process", retry=None, memory="1GiB").memory == 2**30
