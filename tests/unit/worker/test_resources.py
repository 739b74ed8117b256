"""What resources, lifespans, middleware and hooks may be, and in which order they are made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from bullpen import App, ConfigurationError, Context
from bullpen.runtime.handler import Handler, describe
from bullpen.runtime.resource import Resource, describe_resource, in_order
from bullpen.runtime.resources import Resources


class A: ...


class B: ...


class C: ...


def declared(*functions: Any) -> dict[Any, Resource]:
    return {each.provides: each for each in map(describe_resource, functions)}


def job(function: Any) -> Handler:
    return describe(function, name="render", run=None, retry=None)


async def wants_c(data: object, ctx: Context, c: C) -> None: ...
async def wants_late_context(data: object, a: A, ctx: Context) -> tuple[object, A, Context]:
    return data, a, ctx


async def wants_only_context(ctx: Context, a: A) -> tuple[A, Context]:
    return a, ctx


async def wants_by_name(*, a: A, ctx: Context) -> tuple[A, Context]:
    return a, ctx


def a(c_is_not_here: str = "") -> A:
    return A()


def b(first: A) -> B:
    return B()


def c(second: B, first: A) -> Iterator[C]:
    yield C()


DECLARED = declared(c, b, a)


def test_resources_are_made_behind_what_they_ask_for() -> None:
    assert [each.provides for each in in_order(DECLARED, [job(wants_c)])] == [A, B, C]


@pytest.mark.parametrize("function", [wants_late_context, wants_only_context, wants_by_name])
async def test_a_context_may_stand_anywhere(function: Any) -> None:
    handler = job(function)
    resources = Resources(DECLARED)
    given = await resources.provide(handler)
    context = Context(None)  # type: ignore[arg-type]
    result = await handler.function(*handler.arguments("7", lambda: context), **given)
    assert result[-1] is context
    assert result[-2] is given["a"]
    assert result[:-2] in ((), (7,))
    await resources.aclose()


async def test_a_resource_is_made_once_however_many_ask_at_the_same_time() -> None:
    made: list[A] = []

    async def slow() -> A:
        made.append(A())
        await asyncio.sleep(0)
        return made[-1]

    async def wants(data: object, a: A) -> None: ...

    resources = Resources({A: describe_resource(slow)})
    given = await asyncio.gather(*[resources.provide(job(wants)) for _ in range(5)])
    assert len(made) == 1
    assert all(each == {"a": made[0]} for each in given)
    await resources.aclose()


async def test_what_failed_is_made_anew_the_next_time() -> None:
    """In a process of jobs the first job that needs it makes it: that one fails, not all."""
    tries: list[int] = []

    def flaky() -> A:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not yet")
        return A()

    async def wants(data: object, a: A) -> None: ...

    resources = Resources({A: describe_resource(flaky)})
    with pytest.raises(OSError, match="not yet"):
        await resources.provide(job(wants))
    assert isinstance((await resources.provide(job(wants)))["a"], A)
    await resources.aclose()


async def test_resources_live_on_any_event_loop() -> None:
    told: list[str] = []

    async def opened() -> AsyncIterator[A]:
        told.append("open")
        yield A()
        told.append("closed")

    async def wants(data: object, a: A) -> None: ...

    def elsewhere() -> None:
        resources = Resources({A: describe_resource(opened)})
        with asyncio.Runner() as runner:
            first = runner.run(resources.provide(job(wants)))
            assert runner.run(resources.provide(job(wants))) == first
            runner.run(resources.aclose())

    await asyncio.to_thread(elsewhere)
    assert told == ["open", "closed"]


def test_resources_that_ask_for_each_other_are_refused() -> None:
    def x(b: B) -> A:
        return A()

    def y(a: A) -> B:
        return B()

    async def wants(data: object, a: A) -> None: ...

    with pytest.raises(ConfigurationError, match="resources ask for each other: A → B → A"):
        in_order(declared(x, y), [job(wants)])


def nothing_said() -> Any:
    return A()


def no_generator() -> Iterator[A]:
    return iter([A()])


def generator() -> A:  # type: ignore[misc]
    yield A()


def untyped(x) -> A:  # type: ignore[no-untyped-def]
    return A()


def placed(x: B, /) -> A:
    return A()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (nothing_said, "its return type says which parameters get it"),
        (no_generator, "it is no generator"),
        (generator, r"a generator is annotated as Iterator\[T\]"),
        (untyped, "parameter 'x' has no type"),
        (placed, "given by name"),
        (A, "decorate a function"),
    ],
)
def test_what_cannot_be_a_resource(function: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        App().resource(function)


def test_a_type_is_provided_once() -> None:
    app = App()
    app.resource(a)
    with pytest.raises(ConfigurationError, match=r"A is provided by a already; tell them apart: Annotated\[T"):
        app.resource(a)


async def no_layer(ctx: Context) -> None: ...
def plain_layer(ctx: Context, call_next: Any) -> None: ...
async def coroutine() -> None: ...


@pytest.mark.parametrize(
    ("declare", "function", "message"),
    [
        ("middleware", no_layer, r"called with \(ctx, call_next\), which it does not take"),
        ("middleware", plain_layer, "must be async def plain_layer"),
        ("lifespan", coroutine, "must be an async generator"),
        ("on_completed", coroutine, "is called with one argument, an Ended"),
        ("on_failed", plain_layer, "is called with one argument, an Ended"),
    ],
)
def test_what_cannot_be_called_is_refused_when_it_is_declared(declare: str, function: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        getattr(App(), declare)(function)
