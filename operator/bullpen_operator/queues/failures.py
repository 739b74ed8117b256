"""Why a queue could not be read: an exception → a reason and a sentence that says what to look at.

The sentences go to conditions, Events and logs as they are. They are built from the location's shown form and
from Redis's error codes, never from an exception's text alone, because that may quote what was sent.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from typing import TYPE_CHECKING

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from bullpen.errors import ConfigurationError
from bullpen_operator.api.reasons import Reason
from bullpen_operator.queues.dial import BadCertificatesError
from bullpen_operator.queues.location import BadUrlError
from bullpen_operator.queues.question import UnreadableReplyError
from bullpen_operator.queues.routes import NoRouteError
from bullpen_operator.scaling.observation import ReadingFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bullpen_operator.queues.location import Location

_NEEDS = (
    "+eval +evalsha +llen +zcard +zcount +zrange +zrangebyscore +lrange +hmget +exists +get +pttl +hgetall +time +mget "
    "+hget +xrevrange +xread"
)
_NEEDS_TO_DRAIN = "+hset +hdel +pexpire"


def failed_connection(error: Exception, location: Location, *, at: float) -> ReadingFailed:
    """No queue behind this location can be read. `error`: what redis-py, ssl or the loop raised."""
    return ReadingFailed(at=at, reason=_reason(error), message=_connection_sentence(error, location))


def failed_queue(error: Exception, location: Location, key: str, *, at: float) -> ReadingFailed:
    """Redis answers, but not for this one queue. `key`: P of the queue."""
    if isinstance(error, NoPermissionError) or "can't run this command" in str(error) or "NOPERM" in str(error):
        return ReadingFailed(
            at=at,
            reason=Reason.PERMISSION_DENIED,
            message=f"Redis {location} does not let the operator read {key}*: {_refused(error)}; "
            f"its user needs {_NEEDS} on the keys {key}*",
        )
    if isinstance(error, ConfigurationError):
        return ReadingFailed(at=at, reason=Reason.QUEUE_UNREADABLE, message=f"in Redis {location}, {error}")
    state = _server_state(error, cluster=location.redis.cluster)
    if state is not None:
        return ReadingFailed(at=at, reason=Reason.UNREACHABLE, message=f"Redis {location} {state}")
    if isinstance(error, UnreadableReplyError):
        words = str(error)
    elif "WRONGTYPE" in str(error):
        words = "a key has another type than BullMQ gives it"
    else:
        words = _code(error)
    return ReadingFailed(
        at=at,
        reason=Reason.QUEUE_UNREADABLE,
        message=f"what lies under {key}* in Redis {location} is no BullMQ queue: {words}; check queue and prefix",
    )


def refused_listening(error: ResponseError, location: Location) -> str:
    """A sentence for the log: Redis refused the doorbell's XREAD."""
    if isinstance(error, NoPermissionError):
        return f"Redis {location} does not let the operator listen: {_refused(error)}; its user needs +xread"
    return f"Redis {location} refuses XREAD: {_code(error)}"


def failed_mark(error: Exception) -> str:
    """Why Redis did not take a drain mark, a clause."""
    if isinstance(error, NoPermissionError) or "can't run this command" in str(error) or "NOPERM" in str(error):
        return f"{_refused(error)}, so no pod is drained; its user needs {_NEEDS_TO_DRAIN} as well"
    return _server_state(error, cluster=False) or _code(error)


def _server_state(error: Exception, *, cluster: bool) -> str | None:
    """What the server cannot do now, or not for this key; None when the error is about what lies under the keys."""
    if cluster and isinstance(error, AskError):
        return "moves the queue's slot to another node: it is read again once it is there whole"
    if isinstance(error, AskError) or "non local key" in str(error):  # MovedError is an AskError
        return "is one node of a cluster, and the queue lies on another: set redis.cluster to true"
    if isinstance(error, ClusterDownError | TryAgainError):  # MasterDownError is one
        return "does not serve the queue at the moment: its cluster or its master is down or moves; it is tried again"
    if isinstance(error, ResponseError) and str(error).startswith("BUSY"):
        return "is busy with a script that runs too long: see SCRIPT KILL; it is tried again"
    return None


def _reason(error: Exception) -> Reason:
    if isinstance(error, NoRouteError):
        return error.reason
    if isinstance(error, BadCertificatesError):
        return Reason.TLS_FAILED
    if isinstance(error, BadUrlError) or not isinstance(error, RedisError | OSError):
        return Reason.BAD_URL
    if isinstance(error, AuthenticationError | AuthorizationError):
        return Reason.AUTHENTICATION_FAILED
    if isinstance(error, NoPermissionError):
        return Reason.PERMISSION_DENIED
    if _tls(error) is not None or _lacks_file(error):
        return Reason.TLS_FAILED
    return Reason.UNREACHABLE


def _connection_sentence(error: Exception, location: Location) -> str:
    tls = _tls(error)
    if isinstance(error, BadUrlError):
        return str(error)
    if isinstance(error, NoRouteError):
        why = (
            f" ({tls or _network(error.__cause__)})"
            if isinstance(error.__cause__, OSError | RedisConnectionError)
            else ""
        )
        return f"Redis {location} {error}{why}"
    if isinstance(error, BadCertificatesError):
        return f"no TLS with Redis {location}: {error}"
    if _lacks_file(error):
        return (
            f"no TLS with Redis {location}: a file that its URL names is not here; use redis.tls, which takes Secrets"
        )
    if isinstance(error, AuthenticationError | AuthorizationError):
        return f"Redis {location} refuses the user or the password ({_code(error)}): check the URL's credentials"
    if isinstance(error, NoPermissionError):
        return f"Redis {location} does not let the operator in: {_refused(error)}; its user needs {_NEEDS}"
    if tls is not None:
        return f"no TLS with Redis {location}: {tls}; check rediss://, the port, and the certificates in redis.tls"
    if isinstance(error, TimeoutError | RedisTimeoutError):
        tls_too = ", and that the port speaks TLS" if location.tls else ""
        return f"Redis {location} does not answer in time: check the address, the network policies, its load{tls_too}"
    if isinstance(error, BusyLoadingError):
        return f"Redis {location} is loading its data and not ready yet"
    if isinstance(error, RedisConnectionError | OSError):
        asks = ", and whether it asks for a client certificate (redis.tls.certFrom)" if location.tls else ""
        return f"no connection to Redis {location}: {_network(error)}; check the address and that Redis runs{asks}"
    if not isinstance(error, RedisError):  # its text may quote what was sent
        return f"the URL of Redis {location} leads to an error ({type(error).__name__}): check its options"
    return f"Redis {location} answers with an error: {_code(error)}"


def _lacks_file(error: BaseException) -> bool:
    """A certificate that the URL names by its path; nothing else is opened."""
    return any(isinstance(each, FileNotFoundError) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those behind it; redis-py wraps what the loop and ssl raise."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _tls(error: BaseException) -> str | None:
    """The TLS error behind an exception, else None."""
    for seen in _chain(error):
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted ({seen.verify_message})"
        if isinstance(seen, ssl.SSLError):
            return f"the handshake failed ({seen.reason or 'no TLS on that port'})"
    return None


def _network(error: BaseException) -> str:
    """What the operating system said, from the innermost OSError; redis-py's own text quotes its arguments."""
    found = "the connection was closed"
    for seen in _chain(error):
        if isinstance(seen, socket.gaierror):
            return f"the name is not known to DNS ({seen.strerror})"
        if isinstance(seen, OSError):
            # asyncio joins the errors of several addresses into one text and drops their numbers.
            numbers = [seen.errno] if seen.errno else [int(n) for n in re.findall(r"\[Errno (\d+)\]", str(seen))]
            found = os.strerror(numbers[0]) if numbers else found
    return found


def _code(error: Exception) -> str:
    """The error code Redis put first (`WRONGPASS`, `MISCONF`, …); redis-py strips some, then its class says
    it.
    """
    match = re.match(r"[A-Z]{3,}\b", str(error))
    return match.group() if match is not None else type(error).__name__


def _refused(error: Exception) -> str:
    """The command or the key that the ACL refused, as Redis names it."""
    match = re.search(r"'([\w| -]{1,40})' command", str(error))
    if match is not None:
        return f"the command {match.group(1)!r} is refused"
    return "its keys are refused" if "key" in str(error) else "a command is refused"
