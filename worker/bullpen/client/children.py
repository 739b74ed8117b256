"""Asking what became of a job's children (protocol §9.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bullpen.protocol.calls import children

if TYPE_CHECKING:
    from bullpen.client.connection import Link
    from bullpen.protocol import QueueKeys
    from bullpen.protocol.calls.children import ChildrenCounts


class Children:
    """Questions about the children of jobs of one queue, over an open link; children are named by their full keys.

    Every method raises ConnectionLost and ConfigurationError as `Link.run` does.
    """

    def __init__(self, *, link: Link, keys: QueueKeys) -> None:
        self.keys = keys
        self._link = link

    async def names(self, job_id: str) -> tuple[str, ...]:
        """All children, whatever became of them; those that have not ended first."""
        return await self._link.run(children.names(self.keys, job_id=job_id))

    async def values(self, job_id: str) -> dict[str, Any]:
        """What the completed children returned. Raises ProtocolError for a value that is no JSON."""
        return await self._link.run(children.values(self.keys, job_id=job_id))

    async def ignored_failures(self, job_id: str) -> dict[str, str]:
        """Why children failed whose failure the parent outlived."""
        return await self._link.run(children.ignored_failures(self.keys, job_id=job_id))

    async def unprocessed(self, job_id: str) -> frozenset[str]:
        """The children that have not ended."""
        return await self._link.run(children.unprocessed(self.keys, job_id=job_id))

    async def failed(self, job_id: str) -> frozenset[str]:
        """The children whose failure fails the parent."""
        return await self._link.run(children.failed(self.keys, job_id=job_id))

    async def counts(self, job_id: str) -> ChildrenCounts:
        """How many children ended in which way."""
        return await self._link.run(children.counts(self.keys, job_id=job_id))
