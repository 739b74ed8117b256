"""Where a Redis is: what a pool says of it, taken apart once and shown without its password."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from bullpen.errors import ConfigurationError
from bullpen.protocol.location import RedisLocation

if TYPE_CHECKING:
    from bullpen.protocol.location import Address


class BadUrlError(ValueError):
    """The URL cannot be used; the text says what is wrong and never quotes the user information."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM texts that a pool takes from Secrets: whom to trust, and who the operator is; None says nothing of it."""

    authority: str | None = None
    chain: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return any((self.authority, self.chain, self.key))


NO_CERTIFICATES = Certificates()


@dataclass(frozen=True, slots=True)
class Location:
    """One Redis and the credentials for it. Equal ones are read over one connection; `str()` shows hosts, ports and
    database only.

    `namespace`: where a host of one word is looked for, empty when there is none.
    """

    redis: RedisLocation = field(compare=False)
    namespace: str
    certificates: Certificates
    _identity: tuple[object, ...] = field(repr=False)
    """`redis` in a form that can be hashed."""

    @classmethod
    @lru_cache(maxsize=8192)  # asked for each pool at each tick
    def parse(
        cls,
        url: str,
        *,
        cluster: bool = False,
        certificates: Certificates = NO_CERTIFICATES,
        namespace: str = "",
    ) -> Location:
        """From a URL and what the pool says beside it.

        `namespace`: a host of one word is a Service there, as pods of this namespace understand it. The operator may
        run in another one, where the name would mean nothing or something else; with the namespace behind it, the
        cluster's DNS search path leads both to the same Service. Raises BadUrlError.
        """
        try:
            redis = RedisLocation.parse(url)
            redis = redis.as_cluster() if cluster else redis
            if certificates:
                redis = redis.over_tls({})  # refuses what is without TLS
        except ConfigurationError as error:
            # Not chained: nothing of what it was made from may show.
            raise BadUrlError(str(error)) from None
        if redis.scheme == "unix":
            raise BadUrlError(
                "Redis URL unix:// names a socket, which pods do not share: write redis://host:port/database"
            )
        qualified = redis.among(lambda host: _beside(host, namespace))
        identity = (str(qualified), qualified.username, qualified.password, qualified.sentinel_login)
        return cls(
            redis=qualified,
            namespace=namespace if str(qualified) != str(redis) else "",
            certificates=certificates,
            _identity=(*identity, *sorted((name, str(value)) for name, value in qualified.tls.items())),
        )

    def at(self, address: Address) -> RedisLocation:
        """A server that sentinels or a cluster named, in their own words, with the login for it."""
        host, port = address
        return self.redis.at((_beside(host, self.namespace), port))

    def __str__(self) -> str:
        return str(self.redis)

    @property
    def tls(self) -> bool:
        return self.redis.scheme == "rediss"


def _beside(host: str, namespace: str) -> str:
    plain = not namespace or host == "localhost" or "." in host or ":" in host
    return host if plain else f"{host}.{namespace}"
