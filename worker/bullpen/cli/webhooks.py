"""`bullpen webhooks`: those of a queue that answered 410 Gone, and telling them again."""

from __future__ import annotations

from typing import Final

import click

from bullpen.cli.output import Column, Output, ago
from bullpen.cli.target import Desk, Target, as_json, on_target, queue_argument

_COLUMNS: Final = (Column("url", "URL"), Column("disabledOn", "GONE SINCE", show=ago))


@click.command()
@queue_argument
@click.option("--enable", metavar="URL", help="Tell this one again of the jobs that end from now on.")
@as_json
@on_target
def webhooks(queue: str, enable: str | None, as_json: bool, target: Target) -> None:
    """List the webhooks of QUEUE and its jobs that are disabled, because they answered 410 Gone; or enable one.

    Those of the queue itself stand in the app (`bullpen check`). Deliveries that had failed before can be retried:
    bullpen retry QUEUE.webhooks --all
    """
    output = Output(as_json)

    async def look(desk: Desk) -> None:
        here = await desk.queue(queue)
        if enable is None:
            found = await here.disabled_webhooks()
            rows = [{"url": url, "disabledOn": int(at.timestamp() * 1000)} for url, at in found.items()]
            output.rows(_COLUMNS, rows, none=f"no webhook of {queue} is disabled")
        else:
            changed = await here.enable_webhook(enable)
            told = f"{enable} is told again" if changed else f"{enable} was not disabled"
            output.record({"queue": queue, "url": enable, "enabled": changed}, told)

    target.run(look)
