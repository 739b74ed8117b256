"""Traces that go on in the other language: Node's side is its package bullmq-otel."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id
from redis import Redis

from bullpen import App, Flow, NewJob, Retry
from tests.integration.worker.house import ended, working

NODE = Path(__file__).parent / "node"
QUEUE = "traced"
DATABASE = 9
GENERATIONS = pytest.mark.parametrize("package", ["bullmq5", "bullmq6"])


async def node(package: str, url: str, jobs: int) -> list[dict[str, Any]]:
    """The spans of Node as a producer (of no jobs of ours), or as a worker on so many."""
    location = urlsplit(url)
    arguments = [package, str(location.port), location.path.strip("/"), QUEUE, str(jobs)]
    process = await asyncio.create_subprocess_exec(
        "node", "otel.mjs", *arguments, cwd=NODE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        printed, wrong = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, wrong.decode()
    spans: list[dict[str, Any]] = json.loads(printed.splitlines()[-1])
    return spans


@pytest.fixture
def redis_url(redis_port: int) -> str:
    """A database beside those of the generations, empty."""
    with Redis(port=redis_port, db=DATABASE) as redis:
        redis.flushdb()
    return f"redis://127.0.0.1:{redis_port}/{DATABASE}"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(spans: InMemorySpanExporter) -> TracerProvider:
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(spans))
    return made


@GENERATIONS
async def test_node_works_in_the_trace_of_our_producer(
    package: str, redis_url: str, provider: TracerProvider, spans: InMemorySpanExporter
) -> None:
    async with App(redis=redis_url, telemetry=provider) as app:
        queue = app.queue(QUEUE)
        with provider.get_tracer("test").start_as_current_span("request") as request:
            await queue.add("single", {})
            await queue.add("fail", {}, retry=Retry(attempts=1))
            await queue.add_bulk([NewJob("bulk"), NewJob("bulk")])
            await app.flow(Flow(queue=queue, name="parent", children=[Flow(queue=queue, name="child")]))
        theirs = [span for span in await node(package, redis_url, 6) if span["name"].startswith("process")]
    assert {span["trace"] for span in theirs} == {format_trace_id(request.get_span_context().trace_id)}
    ours = {format_span_id(span.context.span_id): span.name for span in spans.get_finished_spans()}
    assert sorted(ours[span["parent"]] for span in theirs) == [
        "add traced",
        "add traced",
        "add_bulk traced",
        "add_bulk traced",
        "add_flow traced",
        "add_flow traced",
    ]


@GENERATIONS
async def test_we_work_in_the_trace_of_nodes_producer(
    package: str, redis_url: str, provider: TracerProvider, spans: InMemorySpanExporter
) -> None:
    theirs = await node(package, redis_url, 0)
    added = {span["id"]: span["name"] for span in theirs}
    request = next(span for span in theirs if span["name"] == "request")
    async with App(redis=redis_url, telemetry=provider) as app:
        queue = app.queue(QUEUE)

        @queue.job()
        async def anything(data: object) -> None: ...

        async with working(app, redis_url):
            await ended(queue, "1", "2", "3")
    ours = {span.attributes["bullmq.job.name"]: span for span in spans.get_finished_spans() if span.attributes}
    assert {name: added.get(format_span_id(span.parent.span_id)) for name, span in ours.items() if span.parent} == {
        "single": "add traced.single",
        "bulk": "addBulk traced",
    }
    assert format_trace_id(ours["single"].context.trace_id) == request["trace"]
    assert ours["apart"].parent is None
    assert format_trace_id(ours["apart"].context.trace_id) != request["trace"]
