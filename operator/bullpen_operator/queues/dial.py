"""Opens connections: redis-py's, with the certificates that a pool takes from Secrets."""

from __future__ import annotations

import os
import ssl
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bullpen.farewell import hang_up
from bullpen_operator.queues.location import BadUrlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bullpen.protocol.location import RedisLocation
    from bullpen_operator.queues.location import Certificates


class BadCertificatesError(Exception):
    """What a Secret holds is no certificate or key that can be used; the text says which, and never quotes it."""


async def dial(redis: RedisLocation, certificates: Certificates, *, timeout: float) -> Connection:
    """An open connection to one server; it has `timeout` seconds to open, after that time is the caller's to bound.

    Raises BadUrlError and BadCertificatesError for what cannot work, else what redis-py, ssl or the loop raise.
    """
    with _tls_options(certificates) as tls:
        # No CLIENT SETINFO and RESP2: an ACL then needs to allow nothing but the script and what it reads.
        options: dict[str, Any] = redis.arguments | {
            **tls,
            "protocol": 2,
            "driver_info": None,
            "retry": Retry(NoBackoff(), 0),
            "socket_connect_timeout": timeout,
            # With a timeout of its own redis-py sends by asyncio.wait_for, which before Python 3.12 may swallow a
            # cancellation (python/cpython#86296), and the lane that was to stop would go on.
            "socket_timeout": None,
        }
        try:
            made: Connection = (SSLConnection if redis.scheme == "rediss" else Connection)(**options)
        except (RedisError, ValueError, TypeError):
            # Not chained: the options hold the password.
            raise BadUrlError(
                f"Redis URL {redis} has a TLS option with a bad value: correct it or leave it out"
            ) from None
        try:
            await made.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await hang_up(made)
            raise
        return made


@contextmanager
def _tls_options(certificates: Certificates) -> Iterator[dict[str, str]]:
    """The certificates as redis-py takes them; the files are there as long as the context."""
    options: dict[str, str] = {}
    if certificates.authority is not None:
        options["ssl_ca_data"] = certificates.authority
    with ExitStack() as stack:
        if certificates.chain is not None:
            options["ssl_certfile"] = stack.enter_context(_in_memory(certificates.chain))
        if certificates.key is not None:
            options["ssl_keyfile"] = stack.enter_context(_in_memory(certificates.key))
        _check(options)
        yield options


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """A file with this text that is on no disk: OpenSSL takes certificates and keys from files only."""
    number = os.memfd_create("bullpen-redis-tls")
    try:
        os.write(number, text.encode())
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)


def _check(options: dict[str, str]) -> None:
    """redis-py would find it out too, and say that the handshake failed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if "ssl_ca_data" in options:
            context.load_verify_locations(cadata=options["ssl_ca_data"])
    except (ssl.SSLError, ValueError, TypeError):  # TypeError: beyond ASCII
        raise BadCertificatesError("what redis.tls.caFrom names is no certificate in PEM form") from None
    try:
        if "ssl_certfile" in options:
            context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"), password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or "an encrypted key cannot be used"
        raise BadCertificatesError(
            f"what redis.tls.certFrom and keyFrom name is no certificate with its key in PEM form ({why})"
        ) from None


def _no_password() -> str:
    # Without this OpenSSL would ask for one at the terminal.
    raise ValueError("the key is encrypted")
