"""The blocking connection of a thread."""

from __future__ import annotations

import os
import signal

import pytest
import redis

from bullpen.client.sync import SyncLink
from bullpen.errors import ConfigurationError, ConnectionLost, JobMissing, ProtocolError
from bullpen.protocol import Call, QueueKeys
from bullpen.protocol.calls import add, job, read
from bullpen.protocol.location import RedisLocation
from tests.integration.redis_server import RedisServer

KEYS = QueueKeys("bull", "videos")
ADD = add.add(KEYS, name="render", data="{}", now=1)
PING = Call(command=("PING",), parse=bytes)


def test_calls_run_and_scripts_are_loaded_when_missing(location: RedisLocation, raw: redis.Redis) -> None:
    with SyncLink(location) as link:
        raw.script_flush()
        assert link.run(ADD).job_id == "1"
        raw.script_flush()
        assert link.run(ADD).job_id == "2"
        assert link.run(read.counts(KEYS)).waiting == 2


def test_refusals_keep_their_meaning_and_the_connection(location: RedisLocation, raw: redis.Redis) -> None:
    with SyncLink(location) as link:
        with pytest.raises(JobMissing):
            link.run(job.progress(KEYS, job_id="9", value="1"))
        raw.set(KEYS.meta, "no hash")
        with pytest.raises(ProtocolError, match=r"refused script add.*WRONGTYPE"):
            link.run(ADD)
        assert link.run(PING) == b"PONG"


def test_a_killed_server_is_an_error_and_the_next_call_finds_the_new_one(own_redis: RedisServer) -> None:
    with SyncLink(RedisLocation.parse(own_redis.url)) as link:
        link.run(ADD)
        own_redis.kill()
        with pytest.raises(ConnectionLost, match="may or may not") as lost:
            link.run(ADD)
        assert lost.value.sent
        with pytest.raises(ConnectionLost, match="cannot reach Redis") as lost:
            link.run(ADD)
        assert not lost.value.sent
        own_redis.start()
        assert link.run(ADD).job_id == "1"


def test_a_frozen_server_is_given_up_and_its_late_reply_is_nobodys(own_redis: RedisServer) -> None:
    with SyncLink(RedisLocation.parse(own_redis.url), timeout=0.3) as link:
        link.run(PING)
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            with pytest.raises(ConnectionLost):
                link.run(Call(command=("ECHO", "late"), parse=bytes))
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        assert link.run(PING) == b"PONG"


def test_a_rotated_password_is_read_anew(own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.config_set("requirepass", "second")
    passwords = iter(["first", "second"])

    def source() -> RedisLocation:
        return RedisLocation.parse(f"redis://:{next(passwords)}@127.0.0.1:{own_redis.port}")

    with SyncLink(source) as link:
        with pytest.raises(ConfigurationError, match="refused the login") as refused:
            link.run(PING)
        assert "first" not in str(refused.value)
        assert link.run(PING) == b"PONG"
