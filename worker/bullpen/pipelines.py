"""Pipelines: steps one after the other, side by side, and over all items of a list, built on flows."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bullpen.context import gathered_by
from bullpen.errors import ConfigurationError
from bullpen.flow import Flow
from bullpen.protocol import QueueKeys
from bullpen.protocol.arguments import shown
from bullpen.signals import WaitForChildren
from bullpen.values import typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bullpen.app import App
    from bullpen.context import Context

_STAGE: Final = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class Group:
    """Flows that run side by side; made by `group`."""

    flows: tuple[Flow, ...]


def group(*flows: Flow) -> Group:
    """Jobs that run side by side: the first step of a `chain`, whose next one gets their results in this order.

    Each may be a chain itself. Raises ConfigurationError when there is none.
    """
    if not flows:
        raise ConfigurationError("group() of nothing: give at least one Flow")
    for each in flows:
        _check(each, "group")
    return Group(flows)


def chain(first: Flow | Group, /, *steps: Flow) -> Flow:
    """Jobs that run one after the other, across queues; the flow to give to `App.flow`, whose job is the last step.

    A step finds what the one before it returned in `Context.previous()`, and after a group in `Context.results()`.
    When one fails for good, those after it fail. In BullMQ's format a job has one parent, so several jobs cannot wait
    for the same one: a group is only ever first, and what a later step wants side by side it adds by `App.gather`.
    Raises ConfigurationError for another place of a group, and for steps that have children already.
    """
    if isinstance(first, Group):
        if not steps:
            raise ConfigurationError("chain() of a group alone: give the step that gets its results")
        below: Sequence[Flow] = first.flows
    else:
        _check(first, "chain")
        below = (first,)
    for step in steps:
        _check(step, "chain")
        if step.children:
            raise ConfigurationError(
                f"step {step.name!r} of a chain has children already: they are the steps before it"
            )
        below = (replace(step, children=below),)
    return below[0]


def map_reduce(mapper: Flow, items: Iterable[Any], *, reducer: Flow) -> Flow:
    """One job like `mapper` for each item, which is its data, side by side; then `reducer`, with `Context.results()`.

    Raises ConfigurationError when there are no items, and when `mapper` has data or an id, which each job has its own.
    """
    _check(mapper, "map_reduce")
    if mapper.job_id is not None:
        raise ConfigurationError(f"map_reduce: {mapper.name!r} has a job_id, and all its jobs would have the same one")
    flows = [replace(mapper, data=item) for item in items]
    if not flows:
        raise ConfigurationError(f"map_reduce: there are no items for {mapper.name!r}")
    return chain(group(*flows), reducer)


async def gather(app: App, flows: Iterable[Flow], *, parent: Context, stage: str, as_: type[Any] | None) -> list[Any]:
    """`App.gather`."""
    if not isinstance(stage, str) or not _STAGE.fullmatch(stage):
        raise ConfigurationError(f"gather: stage is {shown(stage)}: give a name of letters, digits, - and _")
    jobs = [_numbered(flow, f"{gathered_by(parent.job_id)}{stage}.{place}") for place, flow in enumerate(flows)]
    keys = [_key(app, each) for each in jobs]
    values, failures = await asyncio.gather(parent.children_values(), parent.children_failures())
    missing = [flow for flow, key in zip(jobs, keys, strict=True) if key not in values and key not in failures]
    if missing:
        # Those that an earlier start has added already are there once: their ids say so.
        await asyncio.gather(*[app.flow(each, parent=parent) for each in missing])
        raise WaitForChildren
    results = [values.get(key) for key in keys]
    if as_ is None:
        return results
    return [
        None if each is None else typed(each, as_, what=f"a job of stage {stage!r} returned something")
        for each in results
    ]


def _numbered(flow: Flow, job_id: str) -> Flow:
    _check(flow, "gather")
    if flow.job_id is not None:
        raise ConfigurationError(
            f"gather: {flow.name!r} has the job_id {flow.job_id!r}: leave it out, gather gives one"
        )
    return replace(flow, job_id=job_id)


def _key(app: App, flow: Flow) -> str:
    queue = flow.queue if isinstance(flow.queue, str) else flow.queue.name
    return QueueKeys(app.prefix, queue).job(flow.job_id or "")


def _check(flow: object, what: str) -> None:
    if isinstance(flow, Group):
        raise ConfigurationError(
            f"a group is only ever the first step of a chain, not one of {what}: several jobs cannot wait for the same "
            "one; make what comes before it part of its members, or add its jobs by app.gather(…) in the step after it"
        )
    if not isinstance(flow, Flow):
        raise ConfigurationError(f"one of the steps of {what} is {shown(flow)}: give a Flow")
