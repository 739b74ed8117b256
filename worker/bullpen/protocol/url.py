"""The parts of a Redis URL, each checked with one clear sentence; no sentence shows what may be a password."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from bullpen.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES: Final = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
EXAMPLE: Final = "for example redis://:password@host:6379/0"
# What a URL's query may set. Timeouts, retries and the protocol version are the link's own business.
_TLS: Final = frozenset(
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
_NAMES_AN_OPTION: Final = re.compile(r"\?\w+=")
# A host and a port as they are written, typing errors in the port included: a password is seldom five digits.
_ADDRESS: Final = re.compile(r"(\[[\da-fA-F:.]*\]?|[^:\[\]]*)(:\d\w{0,5})?")

Login = tuple[str | None, str | None]
"""User name and password."""


@dataclass(frozen=True, slots=True)
class UrlParts:
    """A Redis URL taken apart, its login unquoted; `path` is as it was written, `options` is its query."""

    text: str
    scheme: str
    login: Login
    hosts: tuple[str, ...]
    path: str
    options: Mapping[str, str]

    @classmethod
    def split(cls, url: str) -> UrlParts:
        """Raises ConfigurationError."""
        text = _checked(url)
        scheme, _, rest = text.partition("://")
        authority = re.split("[/?#]", rest, maxsplit=1)[0]
        login, at, hosts = authority.rpartition("@")
        tail = rest[len(authority) :]
        names = tuple(hosts.split(","))
        # urlsplit reads one host only: it gets the URL once for each.
        each = [_split(f"{scheme}://{login}{at}{name}{tail}", whole=text) for name in names]
        first = each[0]
        options = dict(parse_qsl(first.query, keep_blank_values=True))
        return cls(text, first.scheme, _login(first, text), names, first.path, MappingProxyType(options))

    def addresses(self, *, default_port: int) -> tuple[tuple[str, int], ...]:
        """Host and port of each server named. Raises ConfigurationError."""
        found = []
        for name in self.hosts:
            parts = urlsplit(f"{self.scheme}://{name}")
            if not parts.hostname:
                raise ConfigurationError(
                    f"Redis URL {masked(self.text)} has no host: write {EXAMPLE}"
                    if len(self.hosts) == 1
                    else f"Redis URL {masked(self.text)} has an empty host in its list: write host1:port,host2:port"
                )
            found.append((_host(parts.hostname, self.text), _port(parts, self.text) or default_port))
        return tuple(found)

    def taking(self, *names: str) -> tuple[dict[str, str], UrlParts]:
        """Those of the named options that are set, and the URL without them."""
        taken = {name: self.options[name] for name in names if name in self.options}
        rest = {name: value for name, value in self.options.items() if name not in names}
        return taken, replace(self, options=MappingProxyType(rest))

    def tls(self, *, allowed: bool, also: frozenset[str] = frozenset()) -> Mapping[str, Any]:
        """The options for TLS, as redis-py's connections take them. Raises ConfigurationError for any other."""
        if not self.options:
            return MappingProxyType({})
        # Not before it is needed: a process that reads a URL and does not connect starts a third sooner.
        from redis.connection import parse_url

        known = _TLS | also
        unknown = sorted(self.options.keys() - known)
        if unknown:
            shown = repr(unknown[0]) if unknown[0].isidentifier() else "(not shown)"
            raise ConfigurationError(
                f"Redis URL {masked(self.text)} has the unknown option {shown}: use {', '.join(sorted(known))}"
            )
        try:
            parsed = dict(parse_url(f"rediss://host?{urlencode(self.options)}"))  # type: ignore[no-untyped-call]
        except ValueError as error:
            raise ConfigurationError(f"Redis URL {masked(self.text)}: {error}") from error
        options = {name: value for name, value in parsed.items() if name in _TLS}
        if options and not allowed:
            raise ConfigurationError(f"Redis URL {masked(self.text)} has TLS options: use them with rediss:// only")
        return MappingProxyType(options)


def masked(url: str) -> str:
    """The URL without anything that may be a password: user info, query and fragment are left out."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        # Nothing says where a password would stand. A lone word may be one.
        return repr(url) if re.fullmatch(r"[\w.-]+:\d{1,5}(/\d*)?", url) else "(not shown)"
    option = _NAMES_AN_OPTION.search(rest)
    if option is not None:
        if "@" in rest[option.start() :]:  # in the value of an option, or all of it the end of a password
            return repr(f"{scheme}://***")
        rest = rest[: option.start()]
    # From the last @ on: an unescaped one may be part of the password.
    address = re.split("[?#]", rest.rpartition("@")[2], maxsplit=1)[0]
    hosts, slash, path = address.partition("/")
    # What is nothing like a port may be a password whose @host was forgotten.
    shown = [
        name if _ADDRESS.fullmatch(name) else f"{name.rpartition(':')[0].rpartition('@')[2]}:***"
        for name in hosts.split(",")
    ]
    address = f"{','.join(shown)}{slash}{path}"
    return repr(f"{scheme}://***@{address}" if "@" in rest else f"{scheme}://{address}")


def database(text: str) -> int:
    """The number of a database, 0 for none. Raises ConfigurationError."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise ConfigurationError(f"Redis URL names the database {text!r}: use its number, as in redis://host:6379/0")
    return int(text)


def _checked(url: str) -> str:
    text = url.strip()
    if not text:
        raise ConfigurationError(f"Redis URL is empty: set it, {EXAMPLE}")
    scheme, separator, _rest = text.partition("://")
    if not separator:
        raise ConfigurationError(f"Redis URL {masked(text)} has no scheme: start it with redis://, {EXAMPLE}")
    if scheme.lower() not in SCHEMES:
        raise ConfigurationError(
            f"Redis URL has the scheme {scheme + '://'!r}: use redis://, rediss:// (TLS), unix:// or redis+sentinel://"
        )
    if any(character.isspace() for character in text):
        raise ConfigurationError(
            f"Redis URL {masked(text)} contains white space: remove it, or write it as %20 in a password"
        )
    return text


def _split(text: str, *, whole: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.hostname
    except ValueError:  # not chained: its text repeats the host part, password included
        raise ConfigurationError(
            f"Redis URL {masked(whole)} cannot be read: check the brackets around an IPv6 address, "
            "and write characters other than ASCII in a password as %XX"
        ) from None
    before_options = _NAMES_AN_OPTION.split(text, maxsplit=1)[0]
    if parts.scheme != "unix" and (parts.fragment or ("@" in before_options and "@" not in parts.netloc)):
        # `#`, `/` and `?` end the host part, so such a password spills into the rest of the URL.
        raise ConfigurationError(
            f"Redis URL {masked(whole)} has an unescaped character in its password: "
            "write # as %23, / as %2F, ? as %3F and @ as %40"
        )
    return parts


def _login(parts: SplitResult, text: str) -> Login:
    username, password = parts.username, parts.password
    if username and not password:
        raise ConfigurationError(
            f"Redis URL {masked(text)} has a user name but no password: "
            f"a password alone is written with a colon before it, {EXAMPLE}"
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


def _port(parts: SplitResult, text: str) -> int | None:
    try:
        port = parts.port
    except ValueError:  # not chained: what stands where the port should may be a password
        raise ConfigurationError(f"Redis URL {masked(text)} has a bad port: use a number from 1 to 65535") from None
    if port == 0:
        raise ConfigurationError(f"Redis URL {masked(text)} has port 0: use a number from 1 to 65535")
    return port
