"""Spans of producers and workers, by the SDK's exporter in memory."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from bullpen import App, ConfigurationError, Context, Delay, Flow, NewJob, Queue, Retry
from bullpen.protocol import JobOptions
from bullpen.serving.logs import JsonFormat
from tests.integration.worker.house import ended, until, working


class Spans:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("test")

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def videos(redis_url: str, spans: Spans) -> Queue:
    app = App(redis=redis_url, telemetry=spans.provider)
    queue = app.queue("videos")
    delayed: list[str] = []

    @queue.job("render")
    async def render(data: object) -> None:
        with spans.tracer.start_as_current_span("inside"):
            pass

    @queue.job("thread")
    def thread(data: object) -> str:
        return format_span_id(trace.get_current_span().get_span_context().span_id)

    @queue.job("fail", retry=Retry(attempts=2, delay=0))
    async def fail(data: object) -> None:
        raise LookupError("broken")

    @queue.job("later")
    async def later(data: object, ctx: Context) -> None:
        if ctx.job_id not in delayed:
            delayed.append(ctx.job_id)
            raise Delay(0)

    @queue.job("unwritable", retry=Retry(attempts=1))
    async def unwritable(data: object) -> object:
        return object()

    return queue


def parent(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def identity(span: ReadableSpan) -> int:
    assert span.context is not None
    number: int = span.context.span_id
    return number


async def test_an_attempt_belongs_to_the_trace_of_its_producer(videos: Queue, spans: Spans, redis_url: str) -> None:
    async with videos.app, working(videos.app, redis_url):
        with spans.tracer.start_as_current_span("request") as request:
            job = await videos.add("render")
        await ended(videos, job.id)
    [add], [process], [inside] = map(spans.named, ("add videos", "process videos", "inside"))
    assert (parent(add), parent(process), parent(inside)) == (
        request.get_span_context().span_id,
        identity(add),
        identity(process),
    )
    assert (add.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    shared = {"messaging.system": "bullmq", "messaging.destination.name": "videos", "bullmq.job.name": "render"}
    assert dict(add.attributes or {}) == shared | {
        "messaging.operation.name": "add",
        "messaging.operation.type": "send",
        "messaging.message.id": job.id,
    }
    assert dict(process.attributes or {}) == shared | {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": job.id,
        "bullmq.job.attempts.made": 1,
    }
    assert process.status.status_code is StatusCode.UNSET


async def test_a_job_in_a_thread_sees_its_span(videos: Queue, spans: Spans, redis_url: str) -> None:
    async with videos.app, working(videos.app, redis_url):
        [record] = await ended(videos, (await videos.add("thread")).id)
    [process] = spans.named("process videos")
    assert record.return_value == format_span_id(identity(process))


async def test_every_attempt_that_fails_has_its_error(videos: Queue, spans: Spans, redis_url: str) -> None:
    async with videos.app, working(videos.app, redis_url):
        await ended(videos, (await videos.add("fail")).id)
    [add] = spans.named("add videos")
    first, second = spans.named("process videos")
    assert [(span.attributes or {})["bullmq.job.attempts.made"] for span in (first, second)] == [1, 2]
    for span in (first, second):
        assert parent(span) == identity(add)
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "broken")
        assert (span.attributes or {})["error.type"] == "LookupError"
        [event] = span.events
        assert (event.name, (event.attributes or {})["exception.message"]) == ("exception", "broken")


async def test_what_has_not_failed_has_no_error(videos: Queue, spans: Spans, redis_url: str) -> None:
    async with videos.app, working(videos.app, redis_url):
        await ended(videos, (await videos.add("later")).id, (await videos.add("unwritable")).id)
    found = [
        ((span.attributes or {})["bullmq.job.name"], span.status.status_code) for span in spans.named("process videos")
    ]
    assert sorted(found, key=str) == [
        ("later", StatusCode.UNSET),
        ("later", StatusCode.UNSET),
        ("unwritable", StatusCode.ERROR),
    ]


async def test_flows_and_bulks(videos: Queue, spans: Spans, redis_url: str) -> None:
    async with videos.app as app, working(app, redis_url):
        bulk = await videos.add_bulk([NewJob("render"), NewJob("render")])
        each = [job async for job in videos.add_each([NewJob("render")])]
        flow = await app.flow(Flow(queue=videos, name="render", children=[Flow(queue=videos, name="render")]))
        await ended(videos, *(job.id for job in (*bulk, *each, flow.job)))
    for name, jobs in (("add_bulk videos", bulk), ("add_each videos", each)):
        [add] = spans.named(name)
        below = [span for span in spans.named("process videos") if parent(span) == identity(add)]
        assert sorted(str((span.attributes or {})["messaging.message.id"]) for span in below) == [
            job.id for job in jobs
        ]
    [add] = spans.named("add_flow videos")
    assert len([span for span in spans.named("process videos") if parent(span) == identity(add)]) == 2
    assert (add.attributes or {})["messaging.batch.message_count"] == 2


async def test_an_add_that_is_refused(videos: Queue, spans: Spans) -> None:
    async with videos.app:
        with pytest.raises(ConfigurationError):
            await videos.add("render", priority=-1)
    [add] = spans.named("add videos")
    assert add.status.status_code is StatusCode.ERROR


async def test_what_others_wrote_begins_a_trace(videos: Queue, spans: Spans, redis_url: str) -> None:
    stored = ("", "x", "[]", '{"traceparent": 7}', '{"traceparent": "00-zz"}', 7, {"traceparent": "x"})
    async with App(redis=redis_url) as plain:
        producer = await plain.queue("videos").producer()
        jobs = [(await producer.add("render", options=JobOptions(extra={"tm": each}))).job_id for each in stored]
    async with videos.app, working(videos.app, redis_url):
        for record in await ended(videos, *jobs):
            assert record.failed_reason is None
    assert [parent(span) for span in spans.named("process videos")] == [None] * len(stored)


async def test_log_lines_carry_the_trace(videos: Queue, spans: Spans, redis_url: str) -> None:
    written = io.StringIO()
    assert videos.app.telemetry is not None
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormat(videos.app.telemetry.ids))
    logger = logging.getLogger("bullpen.VideosWorker")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    try:
        async with videos.app, working(videos.app, redis_url):
            await videos.add("render")
            await until(lambda: "completed" in written.getvalue(), "the end is written")
    finally:
        logger.removeHandler(handler)
        logger.setLevel("NOTSET")
    [process] = spans.named("process videos")
    assert process.context is not None
    lines: list[dict[str, Any]] = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["msg"].split(" (")[0] for line in lines] == ["Job 1 started", "Job 1 completed"]
    for line in lines:
        assert line["trace_id"] == format_trace_id(process.context.trace_id)
        assert line["span_id"] == format_span_id(process.context.span_id)


async def test_without_it_nothing_is_stored(redis_url: str) -> None:
    async with App(redis=redis_url) as app:
        record = await (await app.queue("videos").add("render")).record()
    assert record.options.extra == {}


def test_a_mistake_is_said() -> None:
    with pytest.raises(ConfigurationError, match="give True, or a TracerProvider"):
        App(telemetry="yes")  # type: ignore[arg-type]
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from bullpen import App, ConfigurationError\n"
        "try: App(telemetry=True)\n"
        "except ConfigurationError as error: print(error)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "install bullpen[otel]" in printed.stdout
