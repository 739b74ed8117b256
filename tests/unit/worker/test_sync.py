"""`bullpen.sync` offers what `bullpen` does, in the same words."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import bullpen
from bullpen import sync
from bullpen.client.reader import Events

PAIRS = [(bullpen.App, sync.App), (bullpen.Queue, sync.Queue), (bullpen.Job, sync.Job), (Events, sync.Events)]

# What is missing there, or is called otherwise, and why.
MISSING = {
    "App.sync": "it is one",
    "App.aclose": "close",
    "App.producer": "the client underneath, which awaits: `App.awaiting` has it",
    "App.link": "the client underneath, which awaits: `App.awaiting` has it",
    "App.events": "plumbing of Queue.events",
    "Queue.app": "plumbing of Job.children; whoever has a queue has its app",
    "Queue.producer": "the client underneath, which awaits: `Queue.awaiting` has it",
    "App.around": "for workers",
    "App.hooks": "for workers",
    "App.redirect": "for `bullpen.testing`",
    "Queue.hooks": "for workers",
    "App.telemetry": "plumbing",
    "App.keep_webhook_secret": "plumbing of Queue.webhook",
    "App.webhook_secrets": "for workers",
    "Queue.webhooks": "for workers",
    "Queue.webhook_option": "plumbing of Queue.options",
    "Queue.handlers": "for workers",
    "Queue.payload": "for what adds jobs by the client underneath",
    "Queue.returned_by": "plumbing of Job.result",
    "Queue.rules": "for workers",
    "Queue.options": "for what adds jobs by the client underneath",
    "Events.aclose": "close",
}
# Whose words differ, because `async with` and `async for` stand in them.
OTHER_WORDS = {"Queue.events", "Queue.add_each"}
# Whose types differ: they take plain iterables only, which they go through in the caller's thread.
OTHER_TYPES = {"Queue.add_bulk", "Queue.add_each"}
# What only the facade has.
OWN = {
    "awaiting": "the same in `bullpen`",
    "portal": "the loop on which that awaits",
    "of": "makes a facade",
    "close": "aclose",
    "id": "an attribute in `bullpen`",
    "queue": "an attribute of jobs in `bullpen`",
    "deduplicated": "an attribute in `bullpen`",
    "name": "an attribute of queues in `bullpen`",
}


def offered(kind: type) -> dict[str, Any]:
    return {name: inspect.getattr_static(kind, name) for name in dir(kind) if not name.startswith("_")}


def functions() -> list[Any]:
    return [
        pytest.param(name, found, getattr(facade, name, None), id=f"{original.__name__}.{name}")
        for original, facade in PAIRS
        for name, found in offered(original).items()
        if inspect.isfunction(found) and f"{original.__name__}.{name}" not in MISSING
    ]


@pytest.mark.parametrize(("original", "facade"), PAIRS, ids=lambda kind: kind.__module__)
def test_everything_is_there_or_said_to_be_missing(original: type, facade: type) -> None:
    there, here = offered(original), offered(facade)
    missing = {f"{original.__name__}.{name}" for name in there.keys() - here.keys()}
    assert missing == {name for name in MISSING if name.startswith(f"{original.__name__}.")}
    assert here.keys() - there.keys() <= OWN.keys()


@pytest.mark.parametrize(("name", "original", "facade"), functions())
def test_a_method_has_the_same_signature_and_words(name: str, original: Any, facade: Any) -> None:
    if original.__qualname__ in OTHER_TYPES:
        assert [*inspect.signature(facade).parameters] == [*inspect.signature(original).parameters]
    else:
        assert inspect.signature(facade) == inspect.signature(original)
    assert not inspect.iscoroutinefunction(facade)
    assert facade.__doc__
    if original.__qualname__ not in OTHER_WORDS:
        assert facade.__doc__ == original.__doc__


def test_properties_have_the_same_words() -> None:
    for original, facade in PAIRS:
        for name, found in offered(original).items():
            if isinstance(found, property) and hasattr(facade, name):
                assert getattr(facade, name).__doc__ == found.__doc__


def test_apps_are_made_alike() -> None:
    assert inspect.signature(sync.App) == inspect.signature(bullpen.App)


def test_the_facade_of_an_app_is_one_and_knows_its_queues() -> None:
    app = bullpen.App()
    videos = app.queue("videos")

    @app.sync.queue("videos").job("render")
    def render(data: object) -> None: ...

    assert app.sync is app.sync
    assert app.sync.awaiting is app
    assert [handler.name for handler in videos.handlers] == ["render"]
    assert list(app.sync.queues) == ["videos"]
