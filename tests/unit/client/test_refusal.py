from __future__ import annotations

import pytest
from redis.exceptions import AuthenticationError, NoScriptError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from bullpen.client.dial import coded, refusal, unreachable
from bullpen.errors import ConfigurationError, ConnectionLost, ProtocolError
from bullpen.protocol.location import RedisLocation

LOCATION = RedisLocation.parse("redis://:s3cret@host/1")


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        ("LOADING Redis is loading the dataset", ConnectionLost, "cannot take commands now"),
        ("READONLY You can't write against a read only replica.", ConnectionLost, "cannot take commands now"),
        ("CLUSTERDOWN The cluster is down", ConnectionLost, "cannot take commands now"),
        ("MASTERDOWN Link with MASTER is down", ConnectionLost, "cannot take commands now"),
        ("NOREPLICAS Not enough good replicas to write.", ConnectionLost, "cannot take commands now"),
        ("UNBLOCKED force unblock from blocking operation", ConnectionLost, "cannot take commands now"),
        ("MOVED 7638 127.0.0.1:7001", ConfigurationError, "is a node of a cluster: add ?cluster=true to the Redis URL"),
        ("NOPERM this user has no permissions", ConfigurationError, "does not allow script work"),
        ("NOAUTH Authentication required.", ConfigurationError, "does not allow script work"),
        ("ERR DB index is out of range", ConfigurationError, "has no such database"),
        ("WRONGTYPE Operation against a key", ProtocolError, "refused script work: WRONGTYPE"),
        ("OOM command not allowed", ProtocolError, "refused script work: OOM"),
    ],
)
def test_an_error_reply_becomes_the_error_that_says_what_to_do(reply: str, kind: type[Exception], message: str) -> None:
    error = refusal(reply, title="script work", location=LOCATION)
    assert type(error) is kind
    assert message in str(error)
    assert "redis://host:6379/1" in str(error)
    if isinstance(error, ConnectionLost):
        assert not error.sent  # the server says it has not run it


@pytest.mark.parametrize("reply", ["MOVED 7638 127.0.0.1:7001", "ASK 7638 127.0.0.1:7001", "TRYAGAIN Multiple keys"])
def test_what_a_cluster_node_did_not_run_is_safe_to_repeat(reply: str) -> None:
    node = RedisLocation.parse("redis://host?cluster=true").at(("host", 7000))
    error = refusal(reply, title="script work", location=node)
    assert isinstance(error, ConnectionLost)
    assert not error.sent


def test_the_user_of_the_url_is_not_named() -> None:
    reply = "NOPERM User hush-hush has no permissions to run the 'evalsha' command"
    text = str(refusal(reply, title="script work", location=LOCATION))
    assert "hush-hush" not in text
    assert "no permissions to run the 'evalsha' command" in text


def test_a_long_reply_is_cut() -> None:
    assert len(str(refusal("ERR " + "x" * 10_000, title="PING", location=LOCATION))) < 400


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (AuthenticationError("invalid username-password pair"), ConfigurationError, "refused the login"),
        (RedisConnectionError("Error 111 connecting to host:6379."), ConnectionLost, "cannot reach Redis"),
        (OSError("no route"), ConnectionLost, "cannot reach Redis"),
        (ResponseError("DB index is out of range"), ProtocolError, "refused the connection"),
    ],
)
def test_a_failed_attempt_to_connect(error: Exception, kind: type[Exception], message: str) -> None:
    meaning = unreachable(error, LOCATION)
    assert type(meaning) is kind
    assert message in str(meaning)


def test_the_code_that_redis_py_takes_off_is_put_back() -> None:
    assert coded(NoScriptError("No matching script", status_code="NOSCRIPT")) == "NOSCRIPT No matching script"
    assert coded(ResponseError("WRONGTYPE Operation")) == "WRONGTYPE Operation"
