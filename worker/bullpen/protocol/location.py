"""Where Redis is: one URL, parsed once, with one clear sentence for everything that can be wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote

from bullpen.errors import ConfigurationError
from bullpen.protocol.url import Login, UrlParts, database, masked

DEFAULT_PORT: Final = 6379
DEFAULT_SENTINEL_PORT: Final = 26379
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

Address = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True)
class RedisLocation:
    """A Redis, how to log in and which database. `str()` and `repr()` never show user name or password.

    One server: `host` and `port`, or `path`. Behind Sentinel: `master` is the name of what `sentinels` watch over.
    A cluster: `seeds` are some of its nodes. `cluster` is true of it and of each of its nodes.
    """

    scheme: str
    host: str = ""
    port: int = DEFAULT_PORT
    path: str = ""
    db: int = 0
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, repr=False)
    sentinels: tuple[Address, ...] = ()
    master: str = ""
    sentinel_login: Login = field(default=(None, None), repr=False)
    seeds: tuple[Address, ...] = ()
    cluster: bool = False

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.path}?db={self.db}"
        if self.sentinels:
            return f"{self.scheme}+sentinel://{_shown(self.sentinels)}/{self.master}/{self.db}"
        if self.seeds:
            return f"{self.scheme}://{_shown(self.seeds)}/{self.db}?cluster=true"
        return f"{self.scheme}://{_shown([(self.host, self.port)])}/{self.db}"

    @classmethod
    def parse(cls, url: str) -> RedisLocation:
        """From a URL; raises ConfigurationError.

        One server: redis://, rediss:// (TLS) or unix://. Sentinel: redis+sentinel:// or rediss+sentinel:// with
        host1:26379,host2:26379/master-name/0. A cluster: redis:// or rediss:// with ?cluster=true, several hosts
        allowed.
        """
        parts = UrlParts.split(url)
        if parts.scheme == "unix":
            return _socket(parts)
        if parts.scheme.endswith("+sentinel"):
            return _watched(parts)
        return _server_or_cluster(parts)

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for redis-py's connection classes; of one server only."""
        login: dict[str, Any] = {"db": self.db, "username": self.username, "password": self.password}
        if self.scheme == "unix":
            return {"path": self.path, **login}
        return {"host": self.host, "port": self.port, **login, **self.tls}

    def at(self, address: Address) -> RedisLocation:
        """One server behind Sentinel or of the cluster, with the same login."""
        host, port = address
        return replace(self, host=host, port=port, sentinels=(), master="", sentinel_login=(None, None), seeds=())

    def among(self, renamed: Callable[[str], str]) -> RedisLocation:
        """With every host that it names, called as `renamed` says."""
        return replace(
            self,
            host=renamed(self.host) if self.host else "",
            sentinels=tuple((renamed(host), port) for host, port in self.sentinels),
            seeds=tuple((renamed(host), port) for host, port in self.seeds),
        )

    def as_cluster(self) -> RedisLocation:
        """The cluster that this server is a node of, for a URL that does not say so itself.

        Raises ConfigurationError for Sentinel, a socket, and a database other than 0.
        """
        if self.cluster:
            return self
        if self.sentinels or self.scheme == "unix":
            raise ConfigurationError(f"Redis URL {self} is no node of a cluster: write redis://host1:6379,host2:6379")
        return _cluster_of(self, ((self.host, self.port),), shown=str(self))

    def over_tls(self, options: Mapping[str, Any]) -> RedisLocation:
        """With these TLS options, named as redis-py's connections name them, over those of the URL.

        Raises ConfigurationError for a URL without TLS, which would go on in the clear.
        """
        if self.scheme != "rediss":
            raise ConfigurationError(f"Redis URL {self} is without TLS, but a certificate is given: write rediss://")
        return replace(self, tls=MappingProxyType({**self.tls, **options}))

    def sentinel_at(self, address: Address) -> RedisLocation:
        """One of the sentinels, with the login that they ask for."""
        username, password = self.sentinel_login
        return replace(self.at(address), db=0, username=username, password=password)


LocationSource = Callable[[], RedisLocation]
"""Asked at every attempt to connect, so that a rotated Secret is picked up; raises ConfigurationError."""


def _shown(addresses: tuple[Address, ...] | list[Address]) -> str:
    return ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses)


def _socket(parts: UrlParts) -> RedisLocation:
    if not parts.path:
        raise ConfigurationError("Redis URL unix:// names no socket: write it as unix:///run/redis.sock?db=0")
    chosen, rest = parts.taking("db")
    rest.tls(allowed=False)
    username, password = parts.login
    return RedisLocation(
        scheme="unix",
        path=unquote(parts.path),
        db=database(chosen.get("db", "")),
        username=username,
        password=password,
    )


def _watched(parts: UrlParts) -> RedisLocation:
    shown = masked(parts.text)
    asked, rest = parts.taking("sentinel_username", "sentinel_password")
    login = (asked.get("sentinel_username") or None, asked.get("sentinel_password") or None)
    if login[0] and not login[1]:
        raise ConfigurationError(f"Redis URL {shown} has sentinel_username but no sentinel_password: set both")
    master, _, db = unquote(parts.path).strip("/").partition("/")
    if not master:
        raise ConfigurationError(
            f"Redis URL {shown} names no master: write redis+sentinel://host1:26379,host2:26379/mymaster/0"
        )
    username, password = parts.login
    scheme = parts.scheme.removesuffix("+sentinel")
    return RedisLocation(
        scheme=scheme,
        db=database(db),
        username=username,
        password=password,
        tls=rest.tls(allowed=scheme == "rediss"),
        sentinels=parts.addresses(default_port=DEFAULT_SENTINEL_PORT),
        master=master,
        sentinel_login=login,
    )


def _server_or_cluster(parts: UrlParts) -> RedisLocation:
    shown = masked(parts.text)
    asked, rest = parts.taking("cluster")
    cluster = asked.get("cluster", "false").lower()
    if cluster not in ("true", "false"):
        raise ConfigurationError(f"Redis URL {shown} has cluster={cluster[:20]}: write cluster=true or leave it out")
    addresses = parts.addresses(default_port=DEFAULT_PORT)
    if cluster == "false" and len(addresses) > 1:
        raise ConfigurationError(
            f"Redis URL {shown} names several hosts: add ?cluster=true if they are a cluster, "
            "or use redis+sentinel:// if they are sentinels"
        )
    username, password = parts.login
    location = RedisLocation(
        scheme=parts.scheme,
        host=addresses[0][0],
        port=addresses[0][1],
        db=database(unquote(parts.path).strip("/")),
        username=username,
        password=password,
        tls=rest.tls(allowed=parts.scheme == "rediss"),
    )
    return location if cluster == "false" else _cluster_of(location, addresses, shown=shown)


def _cluster_of(location: RedisLocation, seeds: tuple[Address, ...], *, shown: str) -> RedisLocation:
    if location.db:
        raise ConfigurationError(f"Redis URL {shown} names the database {location.db}: a cluster has database 0 only")
    return replace(location, host="", port=DEFAULT_PORT, seeds=seeds, cluster=True)
