"""The jobs that deliver webhooks, as Standard Webhooks says, and the queues they are on."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from standardwebhooks import Webhook as Signature

from bullpen.context import Context  # noqa: TC001 - read at run time, as of any job function
from bullpen.errors import Unrecoverable
from bullpen.protocol.calls import gone
from bullpen.runtime.egress import Answered, Forbidden, post
from bullpen.runtime.handler import describe
from bullpen.runtime.notices import BACKOFF, PAUSES
from bullpen.runtime.rules import Rules
from bullpen.signals import Delay

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bullpen.protocol.replies import JobRecord
    from bullpen.runtime.handler import Handler

# What a receiver may ask for by Retry-After, and how long it may go on asking.
LONGEST_PAUSE: Final = 86_400.0
GIVE_UP_SECONDS: Final = 5 * 86_400.0
_GONE: Final = 410
_ENABLE: Final = "it is told nothing more until somebody enables it again (bullpen webhooks)"
_BUSY: Final = (429, 503)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The data of such a job."""

    url: str
    secret: str
    payload: dict[str, Any]


class Undelivered(Exception):
    """The receiver did not take it: tried again later."""


class Courier:
    """Delivers what the jobs of one queue told. `private` are the URLs that may lead anywhere, None: all of them."""

    def __init__(self, secrets: Mapping[str, Sequence[str]], private: Collection[str] | None) -> None:
        self._secrets = secrets
        self._private = private

    def handler(self) -> Handler:
        """For jobs of any name: it is the type of the event."""
        return describe(self.deliver, name=None, run="async", retry=None)

    async def deliver(self, data: Delivery, ctx: Context) -> dict[str, int]:
        """Post once. The job's id is the message's, the same at each attempt."""
        execution = ctx._execution  # noqa: SLF001 - this job is one of ours
        if (since := await execution.ask(gone.since(execution.keys, url=data.url))) is not None:
            then = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
            raise Unrecoverable(f"{_host(data.url)} answered 410 (Gone) at {then}: {_ENABLE}")
        values = self._secrets.get(data.secret)
        if values is None:
            raise Unrecoverable(f"this app has no webhook secret {data.secret!r}: declare it with app.webhook_secret")
        body = json.dumps(data.payload, separators=(",", ":")).encode()
        now = time.time()
        at = datetime.fromtimestamp(int(now), UTC)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "bullpen-webhooks",
            "webhook-id": ctx.job_id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": " ".join(Signature(value).sign(ctx.job_id, at, body.decode()) for value in values),
        }
        allowed = self._private is None or data.url in self._private
        try:
            answered = await post(data.url, body, headers, allow_private=allowed, now=now)
        except Forbidden as error:
            raise Unrecoverable(str(error)) from None
        if answered.status == _GONE:
            await execution.ask(gone.disable(execution.keys, url=data.url, now=int(now * 1000)))
            # No more of the URL than its host: its path may be all that keeps others from using it.
            told = f"{_host(data.url)} answered 410 (Gone): this webhook is disabled; {_ENABLE}"
            ctx.logger.warning(told)
            raise Unrecoverable(told)
        _judge(answered, host=_host(data.url), age=_age(data.payload, now))
        return {"status": answered.status}


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _judge(answered: Answered, *, host: str, age: float) -> None:
    status = answered.status
    if 200 <= status < 300:
        return
    said = f"{host} answered {status}"
    if status in _BUSY and answered.retry_after is not None:
        if age > GIVE_UP_SECONDS:
            raise Unrecoverable(f"{said} for {age / 86_400:.0f} days")
        raise Delay(min(max(answered.retry_after, 1.0), LONGEST_PAUSE))
    raise Undelivered(f"{said}, and redirects are not followed" if 300 <= status < 400 else said)


def _age(payload: Mapping[str, Any], now: float) -> float:
    try:
        return now - datetime.fromisoformat(str(payload.get("timestamp"))).timestamp()
    except ValueError:
        return 0.0


def _pause(failures: int, _error: BaseException, _job: JobRecord) -> float:
    """Standard Webhooks' schedule, with jitter."""
    return PAUSES[min(failures, len(PAUSES)) - 1] * random.uniform(0.9, 1.1)


RULES: Final = Rules(backoffs={BACKOFF: _pause})
