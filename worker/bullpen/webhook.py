"""Who is told by HTTP when a job is done, and the secrets by which they know who tells them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from bullpen.errors import ConfigurationError
from bullpen.protocol.arguments import check_text, shown

When: TypeAlias = Literal["completed", "failed"]

OPTION: Final = "webhook"
"""Where a job's own webhook stands among its stored options. Node keeps it there, and may write it."""
DEFAULT_SECRET: Final = "default"  # noqa: S105 - its name
SUFFIX: Final = ".webhooks"
_BOTH: Final[tuple[When, ...]] = ("completed", "failed")
_LONGEST_URL: Final = 2048
_MARK: Final = "whsec_"
_SECRET_BYTES: Final = range(24, 65)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Tell this URL when the job has completed, or has failed for good: `add(..., webhook=Webhook(url))`.

    `secret` is the name of one that `App.webhook_secret` declares; what signs is never stored in Redis.
    Raises ConfigurationError for a URL that is none, or that holds a password.
    """

    url: str
    on: Sequence[When] = _BOTH
    _: KW_ONLY
    secret: str = DEFAULT_SECRET

    def __post_init__(self) -> None:
        check_url(self.url)
        object.__setattr__(self, "on", _when(self.on))
        check_secret_name(self.secret)

    def stored(self) -> dict[str, Any]:
        """As it is kept among the job's options."""
        stored: dict[str, Any] = {"url": self.url}
        if tuple(self.on) != _BOTH:
            stored["on"] = list(self.on)
        return stored if self.secret == DEFAULT_SECRET else stored | {"secret": self.secret}

    @classmethod
    def parse(cls, stored: object) -> Webhook:
        """From a job's options; raises ConfigurationError, as any producer may have written them."""
        if not isinstance(stored, Mapping):
            raise ConfigurationError(f"webhook is {shown(stored)}: expected an object with a url")
        return cls(stored.get("url", ""), stored.get("on", _BOTH), secret=stored.get("secret", DEFAULT_SECRET))


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook of every job of a queue; `secret` names one of the app's."""

    url: str
    on: Sequence[When]
    secret: str
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret and those it takes turns with, the newest first: all of them sign while receivers change over.

    They are given, or stand in an environment variable, separated by spaces. `shared`: any webhook may ask for it.
    """

    name: str
    values: Sequence[str] = field(default=(), repr=False)
    env: str | None = None
    shared: bool = True

    def read(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """The values; raises ConfigurationError when the variable is not set or holds something else."""
        if self.env is None:
            return tuple(self.values)
        values = tuple(environ.get(self.env, "").split())
        if not values:
            raise ConfigurationError(f"{self.env} is not set: it holds the webhook secret {self.name!r}; {_HOW}")
        check_secrets(f"{self.env} (webhook secret {self.name!r})", values)
        return values


_HOW: Final = f"write {_MARK} and 24 to 64 random bytes in base64, such as $(openssl rand -base64 32) prints"


def beside(queue: str) -> str:
    """The queue of the deliveries of a queue: behind its name, so that the two share a hash tag."""
    return queue + SUFFIX


def check_url(url: object) -> None:
    """Raises ConfigurationError for what cannot be posted to, without showing what may be a password."""
    if not isinstance(url, str) or not url:
        raise ConfigurationError(f"webhook url is {shown(url)}: give one, for example https://example.com/hooks")
    if len(url) > _LONGEST_URL:
        raise ConfigurationError(f"webhook url has {len(url)} characters: give at most {_LONGEST_URL}")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises when it is no number
        url.encode()
    except ValueError as error:
        raise ConfigurationError(f"webhook url {shown(url)} is none: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("webhook url holds a user name or password, which Redis would store: leave it out")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"webhook url is {shown(url)}: it begins with https:// (or http://) and a host")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ConfigurationError(f"webhook url is {shown(url)}: it has a space or control character, write it as %20")


def check_secret_name(name: object) -> None:
    """Raises ConfigurationError, which does not show what was given when that is a secret itself."""
    if isinstance(name, str) and name.startswith(_MARK):
        raise ConfigurationError(
            "webhook secret: a name is wanted here, not the secret itself, which Redis would store; declare it with "
            "app.webhook_secret(name, …)"
        )
    check_text("name of a webhook secret", name)


def check_secrets(told: str, values: Sequence[object]) -> None:
    """Raises ConfigurationError, which does not show them, for what cannot sign (Standard Webhooks)."""
    if not values:
        raise ConfigurationError(f"{told}: there is none; {_HOW}")
    for place, value in enumerate(values, 1):
        which = told if len(values) == 1 else f"{told}, number {place}"
        if not isinstance(value, str) or not value.startswith(_MARK):
            raise ConfigurationError(f"{which}: does not begin with {_MARK}; {_HOW}")
        try:
            key = base64.b64decode(value.removeprefix(_MARK), validate=True)
        except (binascii.Error, ValueError):
            raise ConfigurationError(f"{which}: is no base64 behind {_MARK}; {_HOW}") from None
        if len(key) not in _SECRET_BYTES:
            raise ConfigurationError(f"{which}: has {len(key)} bytes; {_HOW}")


def _when(on: object) -> tuple[When, ...]:
    given = (on,) if isinstance(on, str) else tuple(on) if isinstance(on, list | tuple | set | frozenset) else ()
    if not given or any(each not in _BOTH for each in given):
        raise ConfigurationError(f"webhook on={shown(on)}: give {' or '.join(map(repr, _BOTH))}, or both")
    return tuple(each for each in _BOTH if each in given)
