"""Where a Redis is: the URL of a pool, taken apart once and shown without its password."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from redis.asyncio.connection import Connection, parse_url

_OPTIONS = frozenset(
    {
        "db",
        "ssl_ca_certs",
        "ssl_ca_data",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
        "ssl_keyfile_password",
        "ssl_min_version",
    }
)
"""What the query of a URL may set. redis-py hands the rest to whatever takes it, which then fails in its own way."""


class BadUrlError(ValueError):
    """The URL cannot be used; the text says what is wrong and never quotes the user information."""


@dataclass(frozen=True, slots=True)
class Location:
    """One Redis and the credentials for it. Equal URLs are one location; `str()` shows host, port and
    database only.
    """

    url: str = field(repr=False)
    shown: str

    @classmethod
    @lru_cache(maxsize=1024)  # asked for each pool at each tick
    def parse(cls, url: str) -> Location:
        """Raises BadUrlError."""
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError:
            # Not chained: the text of urlsplit's error quotes what stood between "//" and "/", password
            # included.
            raise BadUrlError("the Redis URL has a bad host or port: write redis://host:port/database") from None
        if parts.scheme not in ("redis", "rediss"):
            scheme = f"{parts.scheme}://" if parts.scheme.isalpha() and "://" in url else "no scheme"
            raise BadUrlError(f"the Redis URL has {scheme}: write redis://host:port/database, or rediss:// for TLS")
        if not parts.hostname:
            raise BadUrlError("the Redis URL names no host: write redis://host:port/database")
        if parts.fragment or ("@" in url and "@" not in parts.netloc):
            # They end the host part, so such a password spills into the rest of the URL, or its start into the host.
            raise BadUrlError(
                "the Redis URL has an unescaped character in its password: write # as %23, / as %2F, ? as %3F"
            )
        database = parts.path.strip("/")
        if database and not database.isdecimal():
            raise BadUrlError("the Redis URL's database is no number: write redis://host:port/0")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(url.strip(), f"{parts.scheme}://{host}:{port or 6379}/{database or 0}")

    def beside(self, namespace: str) -> Location:
        """The same as pods of this namespace understand it: a host of one word is a Service there.

        The operator may run in another namespace, where the name would mean nothing or something else; with the
        namespace behind it, the cluster's DNS search path leads both to the same Service.
        """
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if host == "localhost" or "." in host or ":" in host:
            return self
        user, at, address = parts.netloc.rpartition("@")
        _, colon, port = address.partition(":")
        return Location.parse(parts._replace(netloc=f"{user}{at}{host}.{namespace}{colon}{port}").geturl())

    def __str__(self) -> str:
        return self.shown

    @property
    def tls(self) -> bool:
        return self.shown.startswith("rediss://")

    def connection(self, *, timeout: float) -> Connection:
        """A connection that is not yet open; it has `timeout` seconds to open, after that time is the caller's to
        bound.

        Raises BadUrlError for an option in the query that is unknown, or that redis-py refuses.
        """
        for option in parse_qs(urlsplit(self.url).query, keep_blank_values=True):
            if option not in _OPTIONS:
                raise BadUrlError(f"the query of the Redis URL {self} has the unknown option {option!r}: leave it out")
        try:
            options: dict[str, Any] = {**parse_url(self.url)}
            made: type[Connection] = options.pop("connection_class", Connection)
            # No CLIENT SETINFO and RESP2: an ACL then needs to allow nothing but the script and what it
            # reads.
            options |= {
                "protocol": 2,
                "driver_info": None,
                "socket_connect_timeout": timeout,
                # With a timeout of its own redis-py sends by asyncio.wait_for, which before Python 3.12 may swallow a
                # cancellation (python/cpython#86296), and the lane that was to stop would go on.
                "socket_timeout": None,
            }
            return made(**options)
        except (ValueError, TypeError):
            # Not chained: the options hold the password.
            raise BadUrlError(
                f"the query of the Redis URL {self} has an option that is not understood: leave it out"
            ) from None
