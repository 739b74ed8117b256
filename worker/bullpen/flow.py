"""Flows: jobs that wait for other jobs, over any queues of an app."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from bullpen.client.flows import AddedNode, FlowNode, FlowProducer
from bullpen.context import Context
from bullpen.errors import ConfigurationError
from bullpen.job import Job
from bullpen.protocol import QueueKeys
from bullpen.protocol.arguments import shown
from bullpen.protocol.calls.flow import OnFailure, Parent
from bullpen.queue import Queue
from bullpen.values import NO_DATA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bullpen.app import App
    from bullpen.durations import Duration
    from bullpen.protocol.options import KeepJobs
    from bullpen.retry import Retry
    from bullpen.webhook import Webhook

Effect: TypeAlias = Literal["fail_parent", "continue_parent", "ignore_failure", "remove_dependency"]
_EFFECTS: Final[dict[str, OnFailure]] = {
    "fail_parent": OnFailure.FAIL_PARENT,
    "continue_parent": OnFailure.CONTINUE_PARENT,
    "ignore_failure": OnFailure.IGNORE,
    "remove_dependency": OnFailure.REMOVE,
}


class Named(Protocol):
    """A queue, as flows need to know it: that of `bullpen` or of `bullpen.sync`."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A job of a flow and the children it waits for; it finds their values in `Context.children_values()`.

        Flow(queue=videos, name="merge", children=[Flow(queue=images, name="draw", data=n) for n in range(4)])

    `queue` is a queue of the app or its name. `on_failure` says what this job's final failure does to the parent:
    "fail_parent" fails it at once; "continue_parent" lets it run at once, whatever else is pending;
    "ignore_failure" counts the job as done, and "remove_dependency" the same without keeping the reason; with None
    the parent goes on waiting, until the job is tried again by hand. All else is as in `Queue.add`.
    """

    queue: Named | str
    name: str
    data: object = NO_DATA
    children: Sequence[Flow] = ()
    on_failure: Effect | None = "fail_parent"
    delay: Duration = 0
    retry: Retry | None = None
    job_id: str | None = None
    priority: int = 0
    lifo: bool = False
    remove_on_complete: bool | int | KeepJobs | None = None
    remove_on_fail: bool | int | KeepJobs | None = None
    webhook: Webhook | None = None


@dataclass(frozen=True, slots=True)
class FlowJobs:
    """The jobs of a flow, in the shape of its tree."""

    job: Job
    children: tuple[FlowJobs, ...]


async def add_flow(app: App, tree: Flow, parent: Context | Job | None) -> FlowJobs:
    """`App.flow`."""
    try:
        node = _node(app, tree, has_parent=parent is not None)
        queues = {*_queues(node), *(() if parent is None else (_parent(app, parent).keys.queue,))}
        producer = FlowProducer(link=await app.link(sorted(queues)), prefix=app.prefix, tracing=app.telemetry)
        added = await producer.add(node, parent=None if parent is None else _parent(app, parent))
    except RecursionError:
        raise ConfigurationError("the flow is nested too deeply: let a job add what comes after it") from None
    return _jobs(app, added)


async def read_flow(job: Job, *, depth: int) -> FlowJobs:
    """`App.get_flow`."""
    if depth == 1:
        return FlowJobs(job, ())
    children = await job.children()
    # A level at a time: the questions about it leave in one write.
    return FlowJobs(job, tuple(await asyncio.gather(*[read_flow(child, depth=depth - 1) for child in children])))


def _node(app: App, flow: Flow, *, has_parent: bool) -> FlowNode:
    if not isinstance(flow, Flow):
        raise ConfigurationError(f"one of the children of a Flow is {shown(flow)}: give a Flow")
    if flow.on_failure is not None and (not isinstance(flow.on_failure, str) or flow.on_failure not in _EFFECTS):
        raise ConfigurationError(
            f"Flow(on_failure={shown(flow.on_failure)}): unknown; use {', '.join(map(repr, _EFFECTS))}, or None"
        )
    if not isinstance(flow.children, list | tuple):
        raise ConfigurationError(f"Flow(children={shown(flow.children)}): give a list of Flow")
    queue = flow.queue if isinstance(flow.queue, Queue) else app.queue(_queue_name(flow))
    settings: dict[str, Any] = {
        "delay": flow.delay,
        "retry": flow.retry,
        "job_id": flow.job_id,
        "priority": flow.priority,
        "lifo": flow.lifo,
        "remove_on_complete": flow.remove_on_complete,
        "remove_on_fail": flow.remove_on_fail,
        "webhook": flow.webhook,
    }
    value = queue.payload(flow.name, flow.data)
    data = {} if value is NO_DATA else {"data": value}
    return FlowNode(
        queue=queue.name,
        name=flow.name,
        options=queue.options(flow.name, **settings),
        on_failure=_EFFECTS[flow.on_failure] if has_parent and flow.on_failure is not None else None,
        children=[_node(app, child, has_parent=True) for child in flow.children],
        **data,
    )


def _queue_name(flow: Flow) -> str:
    name = flow.queue if isinstance(flow.queue, str) else getattr(flow.queue, "name", None)
    if not isinstance(name, str):
        raise ConfigurationError(f"queue name is {shown(flow.queue)}: give a queue of the app, or the name of one")
    return name


def _queues(node: FlowNode) -> Iterator[str]:
    yield node.queue
    for child in node.children:
        yield from _queues(child)


def _parent(app: App, parent: Context | Job) -> Parent:
    job_id, queue = (parent.job_id, parent.queue) if isinstance(parent, Context) else (parent.id, parent.queue.name)
    return Parent(QueueKeys(app.prefix, queue), job_id)


def _jobs(app: App, added: AddedNode) -> FlowJobs:
    job = Job(added.job_id, queue=app.queue(added.queue))
    return FlowJobs(job, tuple(_jobs(app, child) for child in added.children))
