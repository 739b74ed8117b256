"""Jobs that a claim brought to nobody: Redis gave them to this worker, and the reply was lost with the connection, or
read so late that their locks may have run out.

They would wait for their locks to expire and count as stalled, twice of which fails a job that never ran.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bullpen.errors import BullpenError, JobMissing, LockLost
from bullpen.protocol.calls import locks
from bullpen.protocol.calls.owners import active, owners

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bullpen.protocol.keys import QueueKeys
    from bullpen.runtime.delivery import Delivery


class Strays:
    """Tokens of claims whose reply never came, or came too late."""

    def __init__(self, keys: QueueKeys, delivery: Delivery) -> None:
        self._keys = keys
        self._delivery = delivery
        self._tokens: set[str] = set()
        self._releasing = asyncio.Lock()

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def expect(self, tokens: Iterable[str]) -> None:
        """These claims may have been made."""
        self._tokens.update(tokens)

    async def release(self) -> int:
        """Put what those claims took back to the front of the queue; returns how many jobs. Raises what `run` does.

        Waits for a release that is under way.
        """
        async with self._releasing:
            tokens, self._tokens = self._tokens, set()
            try:
                return await self._release(tokens) if tokens else 0
            except BullpenError:
                self._tokens |= tokens
                raise

    async def _release(self, tokens: set[str]) -> int:
        job_ids = await self._delivery.run(active(self._keys))
        held = await self._delivery.run(owners(self._keys, job_ids=job_ids)) if job_ids else ()
        released = 0
        # The newest first: the oldest ends up foremost.
        for job_id, token in zip(job_ids, held, strict=True):
            if token in tokens:
                try:
                    await self._delivery.run(locks.release(self._keys, job_id=job_id, token=token))
                except (JobMissing, LockLost):
                    continue  # removed, or taken over, in between
                released += 1
        return released
