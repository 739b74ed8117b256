"""Where Redis is: one URL, parsed once, with one clear sentence for everything that can be wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio.connection import parse_url

from bullpen.errors import ConfigurationError

DEFAULT_PORT: Final = 6379
_SCHEMES: Final = ("redis", "rediss", "unix")
_EXAMPLE: Final = "for example redis://:password@host:6379/0"
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
# What a URL's query may set. Timeouts, retries and the protocol version are the link's own business.
_QUERY: Final = frozenset(
    {
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


@dataclass(frozen=True, slots=True)
class RedisLocation:
    """A Redis server, how to log in and which database. `str()` and `repr()` never show user name or password."""

    scheme: str
    host: str = ""
    port: int = DEFAULT_PORT
    path: str = ""
    db: int = 0
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, repr=False)

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.path}?db={self.db}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.db}"

    @classmethod
    def parse(cls, url: str) -> RedisLocation:
        """From redis://, rediss:// (TLS) or unix:// URLs; raises ConfigurationError for anything else."""
        text = url.strip()
        if not text:
            raise ConfigurationError(f"Redis URL is empty: set it, {_EXAMPLE}")
        scheme, separator, _rest = text.partition("://")
        if not separator:
            raise ConfigurationError(f"Redis URL {masked(text)} has no scheme: start it with redis://, {_EXAMPLE}")
        if scheme.lower() not in _SCHEMES:
            raise ConfigurationError(
                f"Redis URL has the scheme {scheme + '://'!r}: use redis://, rediss:// (TLS) or unix://"
            )
        if any(character.isspace() for character in text):
            raise ConfigurationError(
                f"Redis URL {masked(text)} contains white space: remove it, or write it as %20 in a password"
            )
        parts = _split(text)
        username, password = _login(parts)
        if parts.scheme == "unix":
            if not parts.path:
                raise ConfigurationError("Redis URL unix:// names no socket: write it as unix:///run/redis.sock?db=0")
            query = _query(text, also="db")
            return cls(
                scheme="unix",
                path=unquote(parts.path),
                db=_database(str(query.get("db", 0))),
                username=username,
                password=password,
            )
        if not parts.hostname:
            raise ConfigurationError(f"Redis URL {masked(text)} has no host: write {_EXAMPLE}")
        return cls(
            scheme=parts.scheme,
            host=_host(parts.hostname, text),
            port=_port(parts, text),
            db=_database(unquote(parts.path).strip("/")),
            username=username,
            password=password,
            tls=_tls(parts, text),
        )

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for redis-py's connection classes."""
        login: dict[str, Any] = {"db": self.db, "username": self.username, "password": self.password}
        if self.scheme == "unix":
            return {"path": self.path, **login}
        return {"host": self.host, "port": self.port, **login, **self.tls}


LocationSource = Callable[[], RedisLocation]
"""Asked at every attempt to connect, so that a rotated Secret is picked up; raises ConfigurationError."""


def masked(url: str) -> str:
    """The URL without anything that may be a password: user info, query and fragment are left out."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        # Nothing says where a password would stand. A lone word may be one.
        return repr(url) if re.fullmatch(r"[\w.-]+:\d{1,5}(/\d*)?", url) else "(not shown)"
    # From the last @ on: an unescaped one may be part of the password.
    address = rest.rpartition("@")[2]
    for mark in "?#":
        address = address.partition(mark)[0]
    host, colon, port = address.rpartition(":")
    if colon and not re.fullmatch(r"\d\w{0,5}(/.*)?|[\da-fA-F:]*\].*", port):
        address = f"{host}:***"  # nothing like a port: a password whose @host was forgotten
    return repr(f"{scheme}://***@{address}" if "@" in rest else f"{scheme}://{address}")


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.hostname
    except ValueError:  # not chained: its text repeats the host part, password included
        raise ConfigurationError(
            f"Redis URL {masked(text)} cannot be read: check the brackets around an IPv6 address, "
            "and write characters other than ASCII in a password as %XX"
        ) from None
    if parts.scheme != "unix" and (parts.fragment or ("@" in text and "@" not in parts.netloc)):
        # `#`, `/` and `?` end the host part, so such a password spills into the rest of the URL.
        raise ConfigurationError(
            f"Redis URL {masked(text)} has an unescaped character in its password: "
            "write # as %23, / as %2F, ? as %3F and @ as %40"
        )
    return parts


def _login(parts: SplitResult) -> tuple[str | None, str | None]:
    username, password = parts.username, parts.password
    if username and not password:
        raise ConfigurationError(
            f"Redis URL {masked(parts.geturl())} has a user name but no password: "
            f"a password alone is written with a colon before it, {_EXAMPLE}"
        )
    return (unquote(username) if username else None, unquote(password) if password else None)


def _host(name: str, text: str) -> str:
    host = unquote(name)
    try:
        host.encode("idna")  # as every connection will do
    except UnicodeError:  # not chained: what stands where the host should may be a password
        raise ConfigurationError(
            f"Redis URL {masked(text)} has a bad host name: write names of 1 to 63 characters, joined by single dots"
        ) from None
    return host


def _port(parts: SplitResult, text: str) -> int:
    try:
        port = parts.port
    except ValueError:  # not chained: what stands where the port should may be a password
        raise ConfigurationError(f"Redis URL {masked(text)} has a bad port: use a number from 1 to 65535") from None
    if port == 0:
        raise ConfigurationError(f"Redis URL {masked(text)} has port 0: use a number from 1 to 65535")
    return port or DEFAULT_PORT


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise ConfigurationError(f"Redis URL names the database {text!r}: use its number, as in redis://host:6379/0")
    return int(text)


def _query(text: str, *, also: str = "") -> dict[str, Any]:
    known = _QUERY | {also} if also else _QUERY
    try:
        parsed: dict[str, Any] = dict(parse_url(text))
    except ValueError as error:
        raise ConfigurationError(f"Redis URL {masked(text)}: {error}") from error
    for name in ("username", "password", "host", "port", "path", "connection_class", *(() if also else ("db",))):
        parsed.pop(name, None)
    unknown = sorted(parsed.keys() - known)
    if unknown:
        raise ConfigurationError(
            f"Redis URL {masked(text)} has the unknown option {unknown[0]!r}: use {', '.join(sorted(known))}"
        )
    return parsed


def _tls(parts: SplitResult, text: str) -> Mapping[str, Any]:
    options = _query(text)
    if options and parts.scheme != "rediss":
        raise ConfigurationError(f"Redis URL {masked(text)} has TLS options: use them with rediss:// only")
    return MappingProxyType(options)
