"""Takes back the jobs of workers that are dead: this pod's own former lives, and peers (`runtime.peers` says which)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen.errors import BullpenError
from bullpen.protocol.calls.clients import connection_name, connections, server_started
from bullpen.protocol.calls.reclaim import Reclaimed, reclaim, reclaim_others
from bullpen.runtime import peers
from bullpen.runtime.peers import Memory, Peer

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

    from bullpen.protocol.call import Call
    from bullpen.protocol.heartbeat import Heartbeat
    from bullpen.runtime.line import Line
    from bullpen.runtime.loop import QueueLoop


class Reclaiming:
    """One queue's observer, in the thread that renews locks. `returning`: this pod's container may have died before."""

    def __init__(
        self, queue: QueueLoop, line: Line, *, instance: str, boot: str, returning: bool, logger: logging.Logger
    ) -> None:
        self._queue = queue
        self._line = line
        self._instance = instance
        self._boot = boot
        self._returning = returning
        self._logger = logger
        self._memory = Memory()
        self._troubles = 0
        self._warned = False
        self.reclaimed = 0

    @property
    def suspects(self) -> tuple[str, ...]:
        """Instances whose beats are to be looked at in the next one."""
        return self._memory.suspects

    def heard(self, *, at: float, late: Iterable[Heartbeat]) -> bool:
        """Redis answered a beat at `at`: judge who is late. Returns whether to look again before the next is due."""
        if self._returning:
            self._return()
        if self._line.troubles != self._troubles:
            self.trouble()
        found = [Peer(each.instance, each.boot, each.at) for each in late if each.at is not None]
        if not found and not self._memory.late:
            # The usual case, every second.
            if self._memory.calm_since is None:
                self._memory, _ = peers.heard(self._memory, at=at, late=(), lock_seconds=self._lock_seconds)
            return False
        self._memory, asked = peers.heard(self._memory, at=at, late=found, lock_seconds=self._lock_seconds)
        for peer in self._judge(asked, at) if asked else ():
            self._bury(peer)
        return peers.pressing(self._memory, at=at)

    def trouble(self) -> None:
        """A call failed or was slow."""
        self._troubles = self._line.troubles
        self._memory = peers.trouble(self._memory)

    @property
    def _lock_seconds(self) -> float:
        return self._queue.setup.lock_ms / 1000

    def _judge(self, asked: tuple[Peer, ...], at: float) -> tuple[Peer, ...]:
        names = self._connections()
        if names is None:
            self._memory = peers.unknowable(self._memory, asked, at=at)
            return ()
        try:
            server = self._line.ask_if_allowed(self._queue, server_started())
        except BullpenError as error:
            self._warn(error)
            self._memory = peers.unknowable(self._memory, asked, at=at)
            return ()
        if server is None or self._line.troubles != self._troubles:
            self.trouble()
            return ()
        there = [
            (peer.instance, peer.boot)
            for peer in asked
            if connection_name(instance=peer.instance, boot=peer.boot) in names
        ]
        self._memory, dead = peers.judged(
            self._memory, asked, at=at, connected=there, server=server, lock_seconds=self._lock_seconds
        )
        return dead

    def _connections(self) -> frozenset[str] | None:
        try:
            return self._line.ask_if_allowed(self._queue, connections())
        except BullpenError as error:
            self._warn(error)
            return None

    def _bury(self, peer: Peer) -> None:
        keys = self._queue.setup.keys
        taken = self._take(lambda begin: reclaim(keys, instance=peer.instance, boot=peer.boot, begin=begin))
        self._logger.warning("Worker %s is gone: %d jobs of it are back in the queue", peer.instance, taken)

    def _return(self) -> None:
        """A container that restarts keeps its pod's id; what its former lives held is nobody's."""
        names = self._connections()
        if names is None:
            self._returning = self._line.troubles != self._troubles  # asked again; without permission the locks tell
            return
        self._returning = False
        own = connection_name(instance=self._instance, boot="")
        living = {name.removeprefix(own) for name in names if name.startswith(own)} - {self._boot}
        if living:
            self._logger.warning(
                "POD_UID=%s is that of another running worker too: give each its own, or leave it out", self._instance
            )
        keys, spare = self._queue.setup.keys, [self._boot, *living]
        taken = self._take(lambda begin: reclaim_others(keys, instance=self._instance, spare=spare, begin=begin))
        if taken:
            self._logger.warning("%d jobs that this pod held before it was restarted are back in the queue", taken)

    def _take(self, call: Callable[[int], Call[Reclaimed]]) -> int:
        taken, begin = 0, 0
        while True:
            found = self._line.ask(self._queue, call(begin))
            if found is None:
                return taken  # nobody is judged for a while now; then their locks have run out
            taken += len(found.job_ids)
            self.reclaimed += len(found.job_ids)
            if found.next_at is None:
                return taken
            begin = found.next_at

    def _warn(self, error: BullpenError) -> None:
        if not self._warned:
            self._warned = True
            self._logger.warning(
                "Jobs of dead workers come back when their locks expire, not at once, because connections cannot be "
                "looked at: %s (allow +client|list +info)",
                error,
            )
