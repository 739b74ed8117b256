"""The parts of `App` and `Queue` that concern webhooks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bullpen.errors import ConfigurationError
from bullpen.protocol.arguments import check_flag, check_text, shown
from bullpen.protocol.calls import gone
from bullpen.protocol.keys import QueueKeys
from bullpen.webhook import (
    DEFAULT_SECRET,
    OPTION,
    Hook,
    Secret,
    Webhook,
    When,
    beside,
    check_secret_name,
    check_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bullpen.app import App


class AppWebhooks:
    """Keeps the secrets of an app."""

    def __init__(self) -> None:
        self._webhook_secrets: dict[str, Secret] = {}

    @property
    def webhook_secrets(self) -> Mapping[str, Secret]:
        """The secrets declared so far, by name, those of `Queue.webhook` among them."""
        return MappingProxyType(self._webhook_secrets)

    def webhook_secret(self, name: str, *values: str, env: str | None = None) -> None:
        """Declare what signs the webhooks that ask for this name ("default": those that ask for none).

        Either values (`whsec_…`, the newest first), or the environment variable that holds them, separated by spaces;
        it is read by the worker that delivers, at its start. All of them sign, so that receivers can change over.
        Raises ConfigurationError for a name declared before and for what cannot be a secret.
        """
        check_secret_name(name)
        if env is not None and (values or not isinstance(env, str) or not env):
            raise ConfigurationError(f"webhook secret {name!r}: give values, or env=, the name of a variable")
        if env is None:
            check_secrets(f"webhook secret {name!r}", values)
        self.keep_webhook_secret(Secret(name, values, env))

    def keep_webhook_secret(self, secret: Secret) -> None:
        """What `webhook_secret` and `Queue.webhook` do with one that is in order."""
        if secret.name in self._webhook_secrets:
            raise ConfigurationError(f"webhook secret {secret.name!r} is declared already: use another name")
        self._webhook_secrets[secret.name] = secret


class QueueWebhooks(ABC):
    """Keeps the webhooks of a queue."""

    name: str

    def __init__(self) -> None:
        self._webhooks: dict[str, Hook] = {}

    @property
    @abstractmethod
    def app(self) -> App: ...

    @property
    def webhooks(self) -> Sequence[Hook]:
        """Those declared so far, for every job of the queue."""
        return tuple(self._webhooks.values())

    def webhook(
        self,
        url: str,
        *,
        on: Sequence[When] = ("completed", "failed"),
        secret: str | Sequence[str] = DEFAULT_SECRET,
        allow_private: bool = False,
    ) -> None:
        """Tell this URL of every job of the queue that a worker of this app completes or fails for good.

        `secret` is the name of one of the app's (`App.webhook_secret`), or `whsec_…` itself, or several, the newest
        first. `allow_private` lets the URL lead to an address that is not public. Delivered by jobs of their own.
        Raises ConfigurationError for a URL that is none, was declared before, or holds a password.
        """
        check_flag("webhook allow_private", allow_private)
        given = [secret] if isinstance(secret, str) else secret
        named = isinstance(secret, str) and not secret.startswith("whsec_")
        name = secret if isinstance(secret, str) and named else f"{self.name} {url}"
        told = Webhook(url, on, secret=name)
        if url in self._webhooks:
            raise ConfigurationError(f"queue {self.name!r}: webhook {shown(url)} is declared already")
        if not named:
            check_secrets(f"queue {self.name!r}: webhook secret", given)
            self.app.keep_webhook_secret(Secret(name, given, shared=False))
        self._webhooks[url] = Hook(url, told.on, told.secret, allow_private)

    async def disabled_webhooks(self) -> Mapping[str, datetime]:
        """The URLs that answered 410 Gone and are told nothing more, of the queue's jobs too, and since when.

        The newest 10,000 are remembered.
        """
        found = await (await self.app.link([self.name])).run(gone.disabled(self._deliveries))
        return {url: datetime.fromtimestamp(since, UTC) for url, since in found.items()}

    async def enable_webhook(self, url: str) -> bool:
        """Tell a URL again of the jobs that end from now on; False when it was not disabled.

        What it was not told meanwhile was never made; deliveries that failed by its 410 can be retried.
        """
        check_text("webhook url", url)
        return await (await self.app.link([self.name])).run(gone.enable(self._deliveries, url=url))

    @property
    def _deliveries(self) -> QueueKeys:
        return QueueKeys(self.app.prefix, beside(self.name))

    def webhook_option(self, webhook: Webhook) -> dict[str, Any]:
        """What a job's options keep of its own webhook.

        Raises ConfigurationError for something else than a Webhook, and when the app has no secret of its name.
        """
        if not isinstance(webhook, Webhook):
            raise ConfigurationError(f"webhook is {shown(webhook)}: give a Webhook(url)")
        if webhook.secret not in self.app.webhook_secrets:
            raise ConfigurationError(
                f"webhook: the app has no secret {webhook.secret!r}; "
                f"declare it with app.webhook_secret({webhook.secret!r}, env=…)"
            )
        return {OPTION: webhook.stored()}
