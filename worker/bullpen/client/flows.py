"""Adding trees of jobs: parents run when their children have ended (protocol §9)."""

from __future__ import annotations

import secrets
import time
import uuid
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from bullpen.client.payload import NO_DATA, job_data
from bullpen.errors import ConfigurationError
from bullpen.protocol import JobOptions, QueueKeys
from bullpen.protocol.calls.flow import FlowJob, OnFailure, Parent, add_flow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bullpen.client.tracing import Tracing
    from bullpen.protocol.call import Call

T = TypeVar("T")
_PLAIN: Final = JobOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowNode:
    """A job and the children it waits for. `data` left out is `{}`; `on_failure` is what its own failure does to its
    parent: nothing unless said, so that the parent waits for ever.
    """

    queue: str
    name: str
    data: Any = NO_DATA
    options: JobOptions = _PLAIN
    on_failure: OnFailure | None = None
    children: Sequence[FlowNode] = ()


@dataclass(frozen=True, slots=True)
class AddedNode:
    """One added job, in the place of its node; `duplicated` when a job of that custom id existed already (§2.4)."""

    queue: str
    job_id: str
    duplicated: bool
    children: tuple[AddedNode, ...]


class Runs(Protocol):
    """The command connection (`bullpen.client.connection.Link`)."""

    async def run(self, call: Call[T]) -> T: ...


class FlowProducer:
    """Adds flows over an open link, to queues of one prefix.

    A flow is one script, not a transaction of several: it is all there or not at all, also when a child belongs to
    another parent, which only the script that would add it can see.
    """

    def __init__(
        self, *, link: Runs, prefix: str, clock: Callable[[], float] = time.time, tracing: Tracing | None = None
    ) -> None:
        self._link = link
        self._prefix = prefix
        self._clock = clock
        self._tracing = tracing

    async def add(self, tree: FlowNode, *, parent: Parent | None = None) -> AddedNode:
        """Adds the jobs of a tree, below `parent` if given; returns their ids as a tree of the same shape.

        Raises ConfigurationError for what a single add refuses, for deduplication and for an id that is twice in the
        tree; WrongState for a child that has another parent; JobMissing when `parent` does not exist; ConnectionLost.
        In all of these cases but the last nothing was added.
        """
        nodes, jobs = self._jobs(tree, parent)
        if self._tracing is None:
            added = await self._link.run(add_flow(jobs, now=int(self._clock() * 1000)))
        else:
            with self._tracing.adding("add_flow", tree.queue, name=tree.name) as adding:
                jobs = [replace(job, options=adding.carry(job.options)) for job in jobs]
                added = await self._link.run(add_flow(jobs, now=int(self._clock() * 1000)))
                adding.added([each.job_id for each in added])
        # From the last to the first: children are made before their parent.
        below: list[list[AddedNode]] = [[] for _ in nodes]
        for place in range(len(nodes) - 1, -1, -1):
            node, above = nodes[place]
            each = added[place]
            made = AddedNode(node.queue, each.job_id, each.duplicated, tuple(reversed(below[place])))
            if above is not None:
                below[above].append(made)
        return made

    def _jobs(self, tree: FlowNode, parent: Parent | None) -> tuple[list[tuple[FlowNode, int | None]], list[FlowJob]]:
        """All nodes level by level (§9.1), each with the place of its parent, and their jobs."""
        nodes: list[tuple[FlowNode, int | None]] = []
        jobs: list[FlowJob] = []
        known: set[str] = set()
        waiting: deque[tuple[FlowNode, int | None]] = deque([(tree, None)])
        ids = _ordered_ids(int(self._clock() * 1000))
        while waiting:
            node, above = waiting.popleft()
            # A number would come from the counter of the queue, and children have to name their parent before that.
            job_id = node.options.job_id or next(ids)
            job = self._job(node, job_id, parent if above is None else Parent(jobs[above].keys, jobs[above].job_id))
            if job.keys.job(job.job_id) in known:
                raise ConfigurationError(f"job id {job.job_id!r} is twice in the flow: give each job an id of its own")
            known.add(job.keys.job(job.job_id))
            waiting += [(child, len(nodes)) for child in node.children]
            nodes.append((node, above))
            jobs.append(job)
        return nodes, jobs

    def _job(self, node: FlowNode, job_id: str, parent: Parent | None) -> FlowJob:
        text = job_data(node.name, node.data)
        return FlowJob(
            keys=QueueKeys(self._prefix, node.queue),
            job_id=job_id,
            name=node.name,
            data=text,
            options=node.options,
            parent=parent,
            on_failure=node.on_failure,
            has_children=bool(node.children),
        )


def _ordered_ids(now_ms: int) -> Iterator[str]:
    """UUIDs (version 7) that sort as the jobs stand in the flow: nothing else in Redis tells the order of children."""
    head = (now_ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62
    for place in range(2**20):
        yield str(uuid.UUID(int=head | place << 42 | secrets.randbits(42)))
