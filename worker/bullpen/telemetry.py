"""OpenTelemetry: a job's work belongs to the trace of whoever added it, in Node or here.

The context travels in the job's own option `tm`, as BullMQ's packages for Node write and read it: a JSON object of the
propagator's headers, `{"traceparent": …}`. `omc` among a producer's options says that it shall not be taken up.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, propagate, trace
from opentelemetry.semconv._incubating.attributes import messaging_attributes as messaging
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import SpanKind, Status, StatusCode

import bullpen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.trace import Span, TracerProvider

    from bullpen.protocol.options import JobOptions

METADATA: Final = "tm"
OMIT: Final = "omc"
SYSTEM: Final = "bullmq"
# Ours, beside those of the conventions; bullmq-otel has the same names.
JOB_NAME: Final = "bullmq.job.name"
ATTEMPTS: Final = "bullmq.job.attempts.made"


class Telemetry:
    """Spans of an app's producers and workers; `provider` None is the process' own one, as the SDK was set up."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("bullpen", bullpen.__version__, tracer_provider=provider)

    @contextmanager
    def adding(self, operation: str, queue: str, *, name: str | None = None) -> Iterator[AddSpan]:
        """A span of a producer: `add videos`."""
        attributes = _messaging(queue, operation, messaging.MessagingOperationTypeValues.SEND)
        if name is not None:
            attributes[JOB_NAME] = name
        # Not the current one: `add_each` gives its caller the word in between.
        span = self._tracer.start_span(f"{operation} {queue}", kind=SpanKind.PRODUCER, attributes=attributes)
        try:
            yield AddSpan(span)
        except Exception as error:
            _fail(span, error)
            raise
        finally:
            span.end()

    @contextmanager
    def processing(self, queue: str, *, job_id: str, name: str, attempt: int, options: JobOptions) -> Iterator[JobSpan]:
        """The span of an attempt, current within the block: a child of the one that added the job."""
        attributes = _messaging(queue, "process", messaging.MessagingOperationTypeValues.PROCESS) | {
            messaging.MESSAGING_MESSAGE_ID: job_id,
            JOB_NAME: name,
            ATTEMPTS: attempt,
        }
        span = self._tracer.start_span(
            f"process {queue}", context=_parent(options.extra), kind=SpanKind.CONSUMER, attributes=attributes
        )
        token = context.attach(trace.set_span_in_context(span))
        try:
            yield JobSpan(span)
        finally:
            context.detach(token)
            span.end()

    def ids(self) -> Mapping[str, str]:
        """`trace_id` and `span_id` of the current span, nothing outside of any."""
        return _ids(trace.get_current_span())


class AddSpan:
    """Implements `bullpen.client.tracing.Adding`."""

    def __init__(self, span: Span) -> None:
        self._span = span
        headers: dict[str, str] = {}
        propagate.inject(headers, trace.set_span_in_context(span))
        self._metadata = json.dumps(headers, separators=(",", ":")) if headers else None

    def carry(self, options: JobOptions) -> JobOptions:
        """The options with the span's context; as they are when there is none, or it is not wanted."""
        if self._metadata is None or options.extra.get(OMIT):
            return options
        return replace(options, extra={**options.extra, METADATA: self._metadata})

    def added(self, job_ids: Sequence[str]) -> None:
        """Names the job, or counts the jobs."""
        if len(job_ids) == 1:
            self._span.set_attribute(messaging.MESSAGING_MESSAGE_ID, job_ids[0])
        else:
            self._span.set_attribute(messaging.MESSAGING_BATCH_MESSAGE_COUNT, len(job_ids))


class JobSpan:
    """An attempt at a job."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def ids(self) -> Mapping[str, str]:
        """What log lines about the job carry."""
        return _ids(self._span)

    def failed(self, error: BaseException) -> None:
        """The attempt failed by this error."""
        _fail(self._span, error)


def _ids(span: Span) -> Mapping[str, str]:
    found = span.get_span_context()
    if not found.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(found.trace_id), "span_id": trace.format_span_id(found.span_id)}


def _fail(span: Span, error: BaseException) -> None:
    span.record_exception(error)
    span.set_attribute(ERROR_TYPE, type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR, str(error)))


def _messaging(queue: str, operation: str, kind: messaging.MessagingOperationTypeValues) -> dict[str, Any]:
    return {
        messaging.MESSAGING_SYSTEM: SYSTEM,
        messaging.MESSAGING_DESTINATION_NAME: queue,
        messaging.MESSAGING_OPERATION_NAME: operation,
        messaging.MESSAGING_OPERATION_TYPE: kind.value,
    }


def _parent(stored: Mapping[str, Any]) -> context.Context:
    """The context in a job's options. Any producer may have written them: what is no context begins a trace."""
    empty = context.Context()
    metadata = stored.get(METADATA)
    if stored.get(OMIT) or not isinstance(metadata, str):
        return empty
    try:
        headers = json.loads(metadata)
    except ValueError:
        return empty
    if not isinstance(headers, dict):
        return empty
    return propagate.extract({name: value for name, value in headers.items() if isinstance(value, str)}, empty)
