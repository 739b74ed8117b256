"""What leads to a pool's Redis: from its spec, or from Secrets that are read by name and never listed.

A Secret is read when a pool first needs it, again within a minute (a rotation must reach the operator, and
nobody grants it a watch on Secrets), and at once when Redis refuses the credentials it held. Pools that share
a Secret share the read.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bullpen_operator.api.reasons import Reason
from bullpen_operator.queues.location import BadUrlError, Certificates, Location
from bullpen_operator.scaling.observation import ReadingFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bullpen_operator.api.redis import Redis, SecretKey

REFRESH_SECONDS = 50.0
"""Jittered down to 40; with the tick and the read itself a rotation is seen within a minute."""
RETRY_SECONDS = 5.0
_HURRY_SECONDS = 2.0
_MEANT = {
    "urlFrom": "the Redis URL",
    "tls.caFrom": "the authority's certificate in PEM form",
    "tls.certFrom": "the client certificate in PEM form",
    "tls.keyFrom": "the client certificate's key in PEM form",
}


class SecretUnreadableError(Exception):
    """A Secret could not be read; `reason` says why, the text is a sentence."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class SecretReader(Protocol):
    """The one thing asked of Kubernetes here; raises SecretUnreadableError."""

    async def __call__(self, *, namespace: str, name: str) -> Mapping[str, bytes]: ...


@dataclass(slots=True)
class _Kept:
    data: Mapping[str, bytes] | None = None
    failure: SecretUnreadableError | None = None
    read_at: float = 0.0
    next_at: float = 0.0
    distrusted: bool = False
    hurry: float = _HURRY_SECONDS
    """How soon it is read again when it is refused; doubles while it stays the same."""


class Locator:
    """Knows the location of each pool's Redis, as far as it has been read.

    `in_cluster`: the operator runs in a pod, where names of Services mean something.
    """

    def __init__(self, read: SecretReader, *, in_cluster: bool) -> None:
        self._read = read
        self._in_cluster = in_cluster
        self._secrets: dict[tuple[str, str], _Kept] = {}

    def locate(self, namespace: str, redis: Redis, *, now: float) -> Location | ReadingFailed:
        """Where the pool's Redis is, from what is known; `refresh` first. `now`: epoch seconds."""
        texts: dict[str, str] = {}
        for field, secret in redis.secrets.items():
            found = self._from_secret(namespace, secret, of=field, now=now)
            if isinstance(found, ReadingFailed):
                return found
            texts[field] = found
        try:
            return Location.parse(
                texts.get("urlFrom") or redis.url or "",
                cluster=redis.cluster,
                certificates=Certificates(texts.get("tls.caFrom"), texts.get("tls.certFrom"), texts.get("tls.keyFrom")),
                namespace=namespace if self._in_cluster else "",
            )
        except BadUrlError as error:
            return ReadingFailed(at=now, reason=Reason.BAD_URL, message=str(error))

    async def refresh(self, wanted: Iterable[tuple[str, Redis]], *, now: float) -> None:
        """Read the Secrets that the given pools need and whose turn it is; forget those that nobody needs any
        more.
        """
        needed = {(namespace, secret.name) for namespace, redis in wanted for secret in redis.secrets.values()}
        for gone in self._secrets.keys() - needed:
            del self._secrets[gone]
        # Before `read_at` the clock was set back, and the next turn would be that much later.
        kept = {name: self._secrets.setdefault(name, _Kept()) for name in needed}
        turn = [name for name in needed if not kept[name].read_at <= now < kept[name].next_at]
        if turn:
            async with asyncio.TaskGroup() as group:
                for name in turn:
                    group.create_task(self._fetch(name, now))

    def distrust(self, namespace: str, redis: Redis, *, now: float) -> None:
        """Redis refused what the Secrets held: read them again soon, 2 s after the last time, then 4, 8 … while they
        stay the same.
        """
        for secret in redis.secrets.values():
            kept = self._secrets.get((namespace, secret.name))
            if kept is not None:
                kept.distrusted = True
                kept.next_at = min(kept.next_at, max(now, kept.read_at + kept.hurry))

    async def _fetch(self, secret: tuple[str, str], now: float) -> None:
        kept = self._secrets[secret]
        kept.read_at = now
        namespace, name = secret
        try:
            data = await self._read(namespace=namespace, name=name)
            in_vain = kept.distrusted and data == kept.data
            kept.hurry = min(2 * kept.hurry, REFRESH_SECONDS) if in_vain else _HURRY_SECONDS
            kept.data, kept.failure, kept.distrusted = data, None, False
            kept.next_at = now + REFRESH_SECONDS * random.uniform(0.8, 1.0)
        except SecretUnreadableError as error:
            # An API server that is away says nothing of the Secret: what was known of it stands.
            if error.reason is not Reason.UNREACHABLE or (kept.data is None and kept.failure is None):
                kept.data, kept.failure = None, error
            kept.next_at = now + RETRY_SECONDS * random.uniform(0.8, 1.2)

    def _from_secret(self, namespace: str, secret: SecretKey, *, of: str, now: float) -> str | ReadingFailed:
        name, key = secret.name, secret.key
        kept = self._secrets.get((namespace, name), _Kept())
        if kept.failure is not None:
            return ReadingFailed(at=now, reason=kept.failure.reason, message=kept.failure.message)
        if kept.data is None:
            return ReadingFailed(
                at=now, reason=Reason.NOT_READ, message=f"Secret {namespace}/{name} has not been read yet"
            )
        meant = _MEANT[of]
        if key not in kept.data:
            return ReadingFailed(
                at=now,
                reason=Reason.SECRET_MISSING,
                message=f"Secret {namespace}/{name} has no key {key!r}: add it, holding {meant}",
            )
        try:
            return kept.data[key].decode()
        except UnicodeDecodeError:
            # Not chained: the error quotes the bytes.
            return ReadingFailed(
                at=now,
                reason=Reason.BAD_URL if of == "urlFrom" else Reason.TLS_FAILED,
                message=f"key {key!r} of Secret {namespace}/{name} is no UTF-8 text: put {meant} there",
            )
