from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from bullpen import App, ConfigurationError, Flow, NewJob, chain, group, map_reduce
from bullpen.client.flows import FlowNode, FlowProducer
from bullpen.context import in_order
from bullpen.runtime.endings import unknown_pause_seconds
from bullpen.runtime.reports import LONGEST_REPORT, cut
from bullpen.unjsonable import json_text

A, B, C = (Flow(queue="q", name=name) for name in "abc")


def names(flow: Flow) -> Any:
    return flow.name, [names(child) for child in flow.children]


def test_a_chain_is_a_flow_whose_job_is_the_last_step() -> None:
    assert names(chain(A, B, C)) == ("c", [("b", [("a", [])])])
    assert names(chain(A)) == ("a", [])
    assert names(chain(group(chain(A, B), A), C)) == ("c", [("b", [("a", [])]), ("a", [])])
    assert names(map_reduce(A, [1, 2], reducer=B)) == ("b", [("a", []), ("a", [])])
    assert [child.data for child in map_reduce(A, [1, 2], reducer=B).children] == [1, 2]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: group(), r"group\(\) of nothing"),
        (
            lambda: group("a"),  # type: ignore[arg-type]
            "one of the steps of group is 'a': give a Flow",
        ),
        (lambda: chain(group(A)), "give the step that gets its results"),
        (
            lambda: chain(A, group(B, C)),  # type: ignore[arg-type]
            "a group is only ever the first step of a chain",
        ),
        (lambda: chain(A, chain(B, C)), "step 'c' of a chain has children already"),
        (lambda: map_reduce(A, [], reducer=B), "there are no items for 'a'"),
        (lambda: map_reduce(Flow(queue="q", name="a", job_id="x"), [1], reducer=B), "would have the same one"),
    ],
)
def test_what_no_pipeline_can_be(build: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build()


def test_ids_of_a_flow_sort_as_its_jobs_stand_in_it() -> None:
    producer = FlowProducer(link=None, prefix="bull", clock=lambda: 1_700_000_000.0)  # type: ignore[arg-type]
    tree = FlowNode(queue="q", name="root", children=[FlowNode(queue="q", name=str(n)) for n in range(3000)])
    _, jobs = producer._jobs(tree, None)
    ids = [job.job_id for job in jobs]
    assert ids == sorted(ids)
    assert len(set(ids)) == 3001
    assert in_order({f"bull:q:{each}": n for n, each in reversed(list(enumerate(ids)))}, parent="1") == [*range(3001)]


def test_results_come_by_the_ids_that_were_given() -> None:
    values = {"bull:a:scene-10": 10, "bull:b:scene-2": 2, "bull:a:scene-2": 1, "bull:a:p-1.draw.0": "gathered"}
    assert in_order(values, parent="p:1") == [1, 2, 10]


@dataclass
class Item:
    when: Any


class Clip(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    parts: list[Any]


def itself() -> dict[str, Any]:
    looped: dict[str, Any] = {}
    looped["self"] = [looped]
    return looped


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (object(), "result: a object is no JSON"),
        ({"items": [1, 2, 3, Item(object())]}, "result.items[3].when: a object is no JSON"),
        ({"a b": {1: object()}}, "result['a b'][1]: a object is no JSON"),
        (Clip(parts=[0, object()]), "result.parts[1]: a object is no JSON"),
        (itself(), "result.self[0]: a dict that contains itself is no JSON"),
    ],
)
def test_what_is_no_json_is_named_with_its_place(value: Any, told: str) -> None:
    with pytest.raises(TypeError) as refused:
        json_text(value, what="result")
    assert str(refused.value).startswith(told)


def test_what_pydantic_can_say_is_json() -> None:
    assert json_text({"when": timedelta(seconds=1), "at": {3, 4}}, what="result") == b'{"when":"PT1S","at":[3,4]}'


def test_what_is_too_long_ends_with_a_note() -> None:
    assert cut("x" * LONGEST_REPORT) == "x" * LONGEST_REPORT
    assert cut("x" * (LONGEST_REPORT + 1)).endswith("x… (cut: it had 65,537 characters, of 65,536 at most)")


@pytest.mark.parametrize(("starts", "seconds"), [(0, 1), (1, 1), (2, 2), (5, 16), (10, 300), (10**9, 300)])
def test_a_job_nobody_knows_is_left_for_longer_each_time(starts: int, seconds: float) -> None:
    assert unknown_pause_seconds(starts, lambda: 0.0) == seconds
    assert 0.75 * seconds <= unknown_pause_seconds(starts, lambda: 0.999) or seconds == 1


class Camera(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    focal_length: int


class Render(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    user_id: str
    used_cameras: list[Camera] = []


async def test_data_is_checked_where_the_app_knows_the_job() -> None:
    """Before anything is written, and before Redis is asked: there is none here."""
    videos = App(redis="redis://127.0.0.1:1").queue("videos")

    @videos.job("render")
    async def render(data: Render) -> None: ...

    wrong = {"userId": "u", "usedCameras": [{"focalLength": "long"}]}
    expected = r"^(job 2 of the bulk: )?job 'render' \(.*\): data does not fit Render: usedCameras.0.focalLength: Input"
    with pytest.raises(ConfigurationError, match=expected):
        await videos.add("render", wrong)
    with pytest.raises(ConfigurationError, match=r"usedCameras\.0\.focalLength"):
        await videos.add_bulk([NewJob("render", {"userId": "u"}), NewJob("render", wrong)])
    with pytest.raises(ConfigurationError, match="userId: Field required"):
        await videos.schedule("nightly", every="1h", name="render")
    with pytest.raises(ConfigurationError, match=r"usedCameras\.0\.focalLength"):
        await videos.app.flow(Flow(queue=videos, name="render", data=wrong))
    assert videos.payload("render", {"userId": "u", "usedCameras": [{"focalLength": 35}]})
    assert videos.payload("render", Render(user_id="u")) == {"userId": "u", "usedCameras": []}
    assert videos.payload("other", wrong) == wrong
    [handler] = videos.handlers
    assert handler.read('{"userId":"u","usedCameras":[{"focalLength":35}],"sentBy":"node"}') == Render(
        user_id="u", used_cameras=[Camera(focalLength=35)]
    )
