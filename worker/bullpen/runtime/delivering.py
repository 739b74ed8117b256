"""Which queues of deliveries a worker serves beside those of its app."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bullpen.errors import ConfigurationError
from bullpen.runtime.served import Served
from bullpen.webhook import SUFFIX, beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bullpen.app import App
    from bullpen.queue import Queue


def tells(queue: Queue) -> bool:
    """Whether this app delivers for the queue: it has a webhook, or its jobs may bring their own."""
    return bool(queue.webhooks) or any(secret.shared for secret in queue.app.webhook_secrets.values())


def told_by(name: str, app: App) -> Queue | None:
    """The queue of the app whose deliveries are on the queue of that name; None for every other name."""
    queue = app.queues.get(name.removesuffix(SUFFIX)) if name.endswith(SUFFIX) else None
    return queue if queue is not None and tells(queue) else None


def deliveries(
    app: App,
    queues: Iterable[Queue],
    *,
    slots: int | None = None,
    allow_private: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Sequence[Served]:
    """The deliveries of these queues, of those that have any, each with so many `slots` (None: as all queues have).

    Raises ConfigurationError for a secret that is not declared or whose variable is not set, and for a queue of the
    app that has the name of one of deliveries.
    """
    telling = [queue for queue in queues if tells(queue)]
    if not telling or slots == 0:
        return ()
    # Not before it is needed: an HTTP client costs memory.
    from bullpen.runtime.deliveries import RULES, Courier

    secrets = {name: secret.read(environ) for name, secret in app.webhook_secrets.items()}
    served = []
    for queue in telling:
        name = beside(queue.name)
        if name in app.queues and app.queues[name].handlers:
            raise ConfigurationError(f"queue {name!r} holds the webhooks of {queue.name!r}: name your own otherwise")
        for hook in queue.webhooks:
            if hook.secret not in secrets:
                raise ConfigurationError(
                    f"queue {queue.name!r}: its webhook wants the secret {hook.secret!r}; "
                    f"declare it with app.webhook_secret({hook.secret!r}, env=…)"
                )
        private = {hook.url for hook in queue.webhooks if hook.allow_private}
        courier = Courier(secrets, None if allow_private else private)
        served.append(Served(name, [courier.handler()], RULES, slots=slots))
    return served
