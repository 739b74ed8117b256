"""A Redis cluster of three masters on this machine, without replicas at first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import redis

from tests.integration.redis_server import RedisServer, free_port
from tests.integration.servers.council import await_that

SLOTS = 16384


class Cluster:
    """`nodes` share the slots evenly at first."""

    def __init__(self, directory: Path, *, program: str | Path = "redis-server") -> None:
        self._directory, self._program = directory, program
        # By default 10,000 above the node's port, where there may be none.
        self.buses = [free_port() for _ in range(3)]
        self.nodes = [self._node(bus) for bus in self.buses]

    def _node(self, bus: int) -> RedisServer:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", str(bus))
        return RedisServer(self._directory / f"node-{bus}", *options, program=self._program)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.nodes)
        return f"redis://{hosts}?cluster=true"

    def start(self) -> None:
        share = SLOTS // len(self.nodes) + 1
        for n, node in enumerate(self.nodes):
            node.start()
            ask(node, "CLUSTER", "ADDSLOTSRANGE", n * share, min((n + 1) * share, SLOTS) - 1)
        for node, bus in zip(self.nodes[1:], self.buses[1:], strict=True):
            ask(self.nodes[0], "CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        self._await_wholeness()

    def replicate(self, master: RedisServer) -> RedisServer:
        """One more node, a replica in step with this master."""
        bus = free_port()
        replica = self._node(bus)
        replica.start()
        ask(self.nodes[0], "CLUSTER", "MEET", "127.0.0.1", replica.port, bus)
        self.nodes.append(replica)
        self._await_wholeness()
        ask(replica, "CLUSTER", "REPLICATE", _id(master))
        await_that(lambda: ask(replica, "INFO", "replication")["master_link_status"] == "up", "the replica is in step")
        return replica

    def _await_wholeness(self) -> None:
        known = len(self.nodes)
        await_that(lambda: all(_whole(node, known) for node in self.nodes), "the nodes are one cluster")

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def owner(self, slot: int, *, by: RedisServer | None = None) -> RedisServer:
        """Who serves the slot, as the first node, or another, knows it."""
        for first, last, primary, *_replicas in ask(by or self.nodes[0], "CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == primary[1])
        raise AssertionError(f"nobody serves slot {slot}")


class Migration:
    """A slot on its way from its owner to another node, key by key as `redis-cli --cluster reshard` does it."""

    def __init__(self, cluster: Cluster, slot: int) -> None:
        self.slot = slot
        self.cluster = cluster
        self.source = cluster.owner(slot)
        self.target = next(node for node in cluster.nodes if node is not self.source)

    def begin(self) -> None:
        """From now on the source answers ASK for keys it does not have."""
        ask(self.target, "CLUSTER", "SETSLOT", self.slot, "IMPORTING", _id(self.source))
        ask(self.source, "CLUSTER", "SETSLOT", self.slot, "MIGRATING", _id(self.target))

    def move_keys(self) -> int:
        moved = 0
        while found := ask(self.source, "CLUSTER", "GETKEYSINSLOT", self.slot, 100):
            ask(self.source, "MIGRATE", "127.0.0.1", self.target.port, "", 0, 5000, "KEYS", *found)
            moved += len(found)
        return moved

    def end(self) -> None:
        """From now on the target has the slot, and the others say MOVED."""
        for node in (self.target, self.source, *self.cluster.nodes):
            ask(node, "CLUSTER", "SETSLOT", self.slot, "NODE", _id(self.target))


def ask(node: RedisServer, *command: Any) -> Any:
    with redis.Redis(port=node.port, protocol=2) as client:
        return client.execute_command(*command)


def _id(node: RedisServer) -> str:
    return str(ask(node, "CLUSTER", "MYID").decode())


def _whole(node: RedisServer, known: int) -> bool:
    info = ask(node, "CLUSTER", "INFO")
    text = info.decode() if isinstance(info, bytes) else str(info)
    return ("cluster_state:ok" in text or "'cluster_state': 'ok'" in text) and (
        f"cluster_known_nodes:{known}" in text or f"'cluster_known_nodes': '{known}'" in text
    )
