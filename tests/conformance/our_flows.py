"""Flows on our side: parents and children, added, awaited and parted."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from bullpen.client.flows import AddedNode, FlowNode, FlowProducer
from bullpen.protocol.calls import children, flow
from bullpen.protocol.keys import QueueKeys
from tests.conformance.our_options import from_node_options, to_json
from tests.conformance.sides import PREFIX, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen.protocol.call import Call

T = TypeVar("T")


class OurFlows:
    """A part of `OurSide`: what knows of more than one queue."""

    keys: QueueKeys

    @abstractmethod
    async def _run(self, call: Call[T]) -> T: ...

    @property
    @abstractmethod
    def _now(self) -> int: ...

    async def _add_child(self, name: str, opts: dict[str, Any], **data: Any) -> str:
        options = from_node_options({key: value for key, value in opts.items() if key != "parent"})
        child = flow.add_child(
            self.keys,
            name=name,
            data=to_json(data["data"]) if "data" in data else "{}",
            options=options,
            parent=_parent(opts["parent"]),
            now=self._now,
        )
        return (await self._run(child)).job_id

    async def _add_flow(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        producer = FlowProducer(link=Altered(self), prefix=PREFIX, clock=lambda: self._now / 1000)
        opts = dict(tree.get("opts", {}))
        above = _parent(opts.pop("parent")) if "parent" in opts else None
        return _shape(await producer.add(_node({**tree, "opts": opts}), parent=above))

    async def _wait_for_children(self, job_id: str, token: str, child: Mapping[str, str] | None) -> bool:
        key = child and f"{child['queue']}:{child['id']}"
        waited = await self._run(
            flow.wait_for_children(self.keys, job_id=job_id, token=token, now=self._now, child=key or None)
        )
        if waited is flow.Waited.CHILDREN_FAILED:
            raise Refused(f"job {job_id} has failed children", code=int(waited))
        return waited is flow.Waited.WAITING

    async def _children(self, job_id: str) -> dict[str, Any]:
        counts = await self._run(children.counts(self.keys, job_id=job_id))
        unprocessed = await self._run(children.unprocessed(self.keys, job_id=job_id))
        failed = await self._run(children.failed(self.keys, job_id=job_id))
        return {
            "values": await self._run(children.values(self.keys, job_id=job_id)),
            "ignored": await self._run(children.ignored_failures(self.keys, job_id=job_id)),
            "unprocessed": sorted(unprocessed),
            "failed": sorted(failed),
            "counts": asdict(counts),
        }


@dataclass(slots=True)
class Altered:
    """The side's own way to Redis, for parts of the client that run their calls themselves."""

    side: OurFlows

    async def run(self, call: Call[T]) -> T:
        return await self.side._run(call)


def _parent(named: Mapping[str, str]) -> flow.Parent:
    prefix, _, queue = named["queue"].rpartition(":")
    return flow.Parent(QueueKeys(prefix, queue), named["id"])


def _node(tree: Mapping[str, Any]) -> FlowNode:
    return FlowNode(
        queue=tree["queueName"],
        name=tree["name"],
        options=from_node_options(tree.get("opts", {})),
        children=[_node(child) for child in tree.get("children", ())],
        **({"data": tree["data"]} if "data" in tree else {}),
    )


def _shape(added: AddedNode) -> dict[str, Any]:
    return {"id": added.job_id, "children": [_shape(child) for child in added.children]}
