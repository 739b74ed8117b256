"""What is added with the end of a job for those who want to be told: a delivery for each, on the queue beside."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json

from bullpen.errors import ConfigurationError
from bullpen.protocol.calls.work import Addition
from bullpen.protocol.keys import QueueKeys
from bullpen.protocol.options import Backoff, JobOptions, KeepJobs
from bullpen.runtime.endings import Completed, Failed, made_of
from bullpen.webhook import OPTION, Hook, Webhook, beside

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Sequence

    from bullpen.protocol.replies import JobRecord

BACKOFF: Final = "webhook"
# Standard Webhooks, "Deliverability and reliability": its example schedule, in seconds after the failure before.
PAUSES: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
# Standard Webhooks, "Payload size": usually smaller than 20 kB.
MOST_RESULT_BYTES: Final = 16_384
MOST_REASON_CHARACTERS: Final = 2_000
_DAY: Final = 86_400


class Notices:
    """Of one queue. `heard` says whether this app has a worker for the deliveries."""

    def __init__(self, keys: QueueKeys, hooks: Sequence[Hook], *, heard: bool, logger: logging.Logger) -> None:
        self._keys = keys
        self._beside = QueueKeys(keys.prefix, beside(keys.queue))
        self._hooks = {when: [each for each in hooks if when in each.on] for when in ("completed", "failed")}
        self._heard = heard
        self._logger = logger

    def of(self, job: JobRecord, options: JobOptions, ending: Completed | Failed) -> Sequence[Addition]:
        """What is to be added with this ending: most jobs tell nobody."""
        when = "completed" if isinstance(ending, Completed) else "failed"
        hooks = self._hooks[when]
        if not hooks and OPTION not in options.extra:
            return ()
        wanted = {each.url: each.secret for each in hooks}
        wanted.update(self._own(job, options, when))
        if not wanted:
            return ()
        payload = payload_of(self._keys.queue, job, ending, now=datetime.now(UTC))
        return [self._addition(when, url, secret, payload) for url, secret in wanted.items()]

    def _own(self, job: JobRecord, options: JobOptions, when: str) -> Iterator[tuple[str, str]]:
        if OPTION not in options.extra:
            return
        try:
            webhook = Webhook.parse(options.extra[OPTION])
        except ConfigurationError as error:
            self._logger.error("Job %s: nobody is told of its end: %s", job.id, error)  # noqa: TRY400 - a line says it
            return
        if when in webhook.on:
            if not self._heard:
                self._logger.warning(
                    "Job %s: this app has no webhook_secret; who delivers is whoever serves %r",
                    job.id,
                    self._beside.queue,
                )
            yield webhook.url, webhook.secret

    def _addition(self, when: str, url: str, secret: str, payload: str) -> Addition:
        message = f"msg_{uuid.uuid4().hex}"
        address = json.dumps({"url": url, "secret": secret}, ensure_ascii=False)
        return Addition(
            keys=self._beside,
            told=url,
            name=f"job.{when}",
            data=f'{address[:-1]}, "payload": {payload}}}',
            options=JobOptions(
                job_id=message,
                attempts=len(PAUSES) + 1,
                backoff=Backoff(BACKOFF),
                remove_on_complete=KeepJobs(count=1000, age=_DAY),
                remove_on_fail=KeepJobs(count=10_000, age=14 * _DAY),
            ),
        )


def _result(value: str) -> dict[str, Any]:
    if len(value) <= MOST_RESULT_BYTES and len(value.encode()) <= MOST_RESULT_BYTES:
        try:
            return {"result": from_json(value)}
        except ValueError:  # nested deeper than receivers will read
            pass
    return {"cut": ["result"]}


def payload_of(queue: str, job: JobRecord, ending: Completed | Failed, *, now: datetime) -> str:
    """The event as JSON text. What is too large for a webhook is left out or shortened, and `cut` names it."""
    data: dict[str, Any] = {
        "queue": queue,
        "jobId": job.id,
        "name": job.name,
        "attemptsMade": made_of(job) + 1,
    }
    if isinstance(ending, Failed):
        data["failedReason"] = ending.reason[:MOST_REASON_CHARACTERS]
        if len(ending.reason) > MOST_REASON_CHARACTERS:
            data["cut"] = ["failedReason"]
    else:
        data.update(_result(ending.value))
    kind = "job.completed" if isinstance(ending, Completed) else "job.failed"
    at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": kind, "timestamp": at, "data": data}, separators=(",", ":"))
