"""A master, a replica, and three real sentinels that watch over them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.integration.redis_server import RedisServer

NAME = "mymaster"
DOWN_AFTER_MS = 1000
PATIENCE = 30.0


class Sentinel(RedisServer):
    """One sentinel; it keeps what it learns in its configuration file, so a restart would go on with that."""

    def __init__(
        self, directory: Path, master: RedisServer, *settings: str, down_after_ms: int = DOWN_AFTER_MS
    ) -> None:
        directory.mkdir(parents=True)
        configuration = directory / "sentinel.conf"
        configuration.write_text(
            f"sentinel monitor {NAME} 127.0.0.1 {master.port} 2\n"
            f"sentinel down-after-milliseconds {NAME} {down_after_ms}\n"
            f"sentinel failover-timeout {NAME} 4000\n" + "".join(f"{each}\n" for each in settings)
        )
        super().__init__(directory)
        self._configuration = configuration

    def _options(self) -> list[str]:
        return [str(self._configuration), "--sentinel", "--port", str(self.port), "--bind", "127.0.0.1"]

    def tells(self) -> dict[str, Any]:
        """What it knows of the master."""
        with redis.Redis(port=self.port, decode_responses=True, protocol=2) as client:
            states: dict[str, dict[str, Any]] = client.sentinel_masters()
            return states[NAME]


class Council:
    """Made and started together; `master` and `replica` are as they began.

    `down_after_ms` is how long a server is silent before the sentinels take it for gone.
    """

    def __init__(self, directory: Path, *, down_after_ms: int = DOWN_AFTER_MS) -> None:
        self.master = RedisServer(directory / "master")
        self.replica = RedisServer(
            directory / "replica", "--replicaof", "127.0.0.1", str(self.master.port), "--repl-diskless-sync-delay", "0"
        )
        self.master.arguments = ("--repl-diskless-sync-delay", "0")
        self.sentinels = [
            Sentinel(directory / f"sentinel-{n}", self.master, down_after_ms=down_after_ms) for n in range(3)
        ]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://{hosts}/{NAME}/0"

    def start(self) -> None:
        self.master.start()
        self.replica.start()
        with redis.Redis(port=self.replica.port, decode_responses=True) as client:
            await_that(lambda: client.info("replication")["master_link_status"] == "up", "the replica follows")
        for each in self.sentinels:
            each.start()
        await_that(lambda: all(_settled(each.tells()) for each in self.sentinels), "the sentinels know each other")

    def stop(self) -> None:
        for each in (*self.sentinels, self.replica, self.master):
            each.stop()

    @property
    def leader(self) -> RedisServer:
        """Whom the first sentinel names."""
        return self.master if int(self.sentinels[0].tells()["port"]) == self.master.port else self.replica

    @property
    def follower(self) -> RedisServer:
        """The other one."""
        return self.replica if self.leader is self.master else self.master

    def elected(self, port: int) -> None:
        """Wait until every sentinel names the server on this port."""
        await_that(lambda: all(int(each.tells()["port"]) == port for each in self.sentinels), "another master")

    def mend(self) -> None:
        """Start the follower if it was killed, and wait until all is as it began, but for who leads."""
        leader, follower = self.leader, self.follower
        if not follower.running:
            follower.arguments = ("--replicaof", "127.0.0.1", str(leader.port), "--repl-diskless-sync-delay", "0")
            follower.start()
        with redis.Redis(port=follower.port, decode_responses=True) as client:
            await_that(lambda: _follows(client, leader), "the old master follows")
        await_that(lambda: all(_settled(each.tells()) for each in self.sentinels), "the sentinels have made peace")

    def replicated(self) -> None:
        """Wait until the replica has everything that was written so far."""
        with redis.Redis(port=self.master.port) as client:
            assert client.wait(1, int(PATIENCE * 1000)) == 1

    def switch(self) -> None:
        """Have another master elected though the old one is well. Sentinel tells that one some 8 s later."""
        port = self.follower.port
        with redis.Redis(port=self.sentinels[0].port) as client:
            client.execute_command("SENTINEL", "FAILOVER", NAME)
        self.elected(port)

    def demote(self) -> None:
        """Tell the old master now."""
        with redis.Redis(port=self.master.port) as client:
            client.replicaof("127.0.0.1", self.replica.port)


@contextmanager
def standing(directory: Path, **settings: Any) -> Iterator[Council]:
    """A council that has begun; all of it ends afterwards."""
    made = Council(directory, **settings)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _follows(client: redis.Redis, leader: RedisServer) -> bool:
    told: dict[str, Any] = client.info("replication")
    return told.get("master_port") == leader.port and told.get("master_link_status") == "up"


def _settled(state: dict[str, Any]) -> bool:
    return bool(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1 and state["flags"] == "master")


def await_that(true: Any, what: str, *, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)
