"""`bullpen add`: a job from the command line."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from bullpen.cli.output import Output, dumped
from bullpen.cli.target import Desk, Target, as_json, on_target, queue_argument
from bullpen.errors import ConfigurationError, JobFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bullpen.app import App
    from bullpen.job import Job
    from bullpen.new_job import NewJob
    from bullpen.retry import Retry

_MOST = 1_000_000


@click.command()
@queue_argument
@click.argument("name")
@click.argument("data", required=False)
@click.option("--data-file", type=click.File("rb"), metavar="FILE", help="Take the data from a file, - for input.")
@click.option("--delay", default="0", metavar="TIME", help="Make it ready only after that, such as 5s, 1h30m.")
@click.option("--attempts", type=click.IntRange(1), metavar="N", help="Tries in all (4 unless the app says else).")
@click.option("--backoff", metavar="KIND[:TIME]", help="Wait between tries: exponential:1s, fixed:30s, or your own.")
@click.option("--priority", type=click.IntRange(0, 2_097_151), default=0, metavar="N", help="1 first; 0 before all.")
@click.option("--lifo", is_flag=True, help="To the front of the queue.")
@click.option("--job-id", metavar="ID", help="An id of your own; one that exists adds nothing.")
@click.option("--count", type=click.IntRange(1, _MOST), default=1, metavar="N", help="Add it so many times.")
@click.option("--wait", is_flag=True, help="Wait for the end and print the result; 1 when it failed.")
@click.option("--timeout", metavar="TIME", help="Wait at most so long; the job goes on all the same.")
@as_json
@on_target
def add(
    queue: str,
    name: str,
    data: str | None,
    data_file: Any,
    delay: str,
    attempts: int | None,
    backoff: str | None,
    priority: int,
    lifo: bool,
    job_id: str | None,
    count: int,
    wait: bool,
    timeout: str | None,
    as_json: bool,
    target: Target,
) -> int:
    """Add a job called NAME to QUEUE, with DATA as JSON ({} when left out), and print its id.

    With an app (--app, BULLPEN_APP) the queue, the name and the data are checked before anything is added, and the
    tries are those that it declares.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout is how long --wait waits: give both")
    if job_id is not None and count > 1:
        raise click.UsageError("--job-id names one job: leave --count out")
    value = _data(data, data_file)
    output = Output(as_json)

    async def do(desk: Desk) -> int:
        from bullpen.new_job import NewJob

        declared = checked(desk.loaded, queue, name, value) if desk.loaded is not None else None
        job = NewJob(
            name,
            json.loads(value),
            delay=delay,
            retry=_retry(attempts, backoff, declared),
            job_id=job_id,
            priority=priority,
            lifo=lifo,
        )
        added = []
        async for each in desk.app.queue(queue).add_each(_copies(job, count)):
            if wait:
                added.append(each)
            else:
                output.record({"queue": queue, "jobId": each.id}, each.id)
        return max([await _result(each, timeout, output) for each in added], default=0)

    return target.run(do)


def checked(app: App, queue: str, name: str, data: bytes) -> Retry | None:
    """The tries that the app declares for such a job. Raises ConfigurationError for a job that it would refuse."""
    from bullpen.errors import Unrecoverable

    if queue not in app.queues:
        known = ", ".join(sorted(app.queues)) or "none"
        raise ConfigurationError(f"the app has no queue {queue!r} (it has {known}); correct the name")
    handlers = {handler.name: handler for handler in app.queues[queue].handlers}
    handler = handlers.get(name) or handlers.get(None)
    if handler is None:
        if not handlers:
            return None  # it only adds to it; another app does the jobs
        names = ", ".join(sorted(filter(None, handlers)))
        raise ConfigurationError(f"queue {queue!r} has no job {name!r} (it has {names}); correct the name")
    if handler.takes_data:
        try:
            handler.read(data)
        except Unrecoverable as error:
            raise ConfigurationError(f"job {name!r}: {error}") from error
    return handler.retry


def _data(text: str | None, file: Any) -> bytes:
    """The JSON text. Raises UsageError."""
    if text is not None and file is not None:
        raise click.UsageError("the data is given twice: as DATA or with --data-file")
    given: bytes = file.read() if file is not None else b"{}" if text is None else text.encode(errors="surrogateescape")
    where = f"--data-file {file.name}" if file is not None else "DATA"
    try:
        json.loads(given, parse_constant=_no_constant)
    except RecursionError:
        raise click.UsageError(f"{where} is nested too deeply") from None
    except ValueError as error:
        raise click.UsageError(f"""{where} is no JSON ({error}); write it as '{{"user": 7}}', or '"text"'""") from None
    return given


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _retry(attempts: int | None, backoff: str | None, declared: Retry | None) -> Retry | None:
    """What the options say, for the rest what the app says; None when nobody says anything."""
    import dataclasses

    from bullpen.retry import DEFAULT_RETRY

    if attempts is None and backoff is None:
        return declared
    retry = declared or DEFAULT_RETRY
    if backoff is not None:
        kind, _, delay = backoff.partition(":")
        retry = dataclasses.replace(retry, backoff=kind, delay=delay or retry.delay)
    return retry if attempts is None else dataclasses.replace(retry, attempts=attempts)


def _copies(job: NewJob, count: int) -> Iterator[NewJob]:
    return (job for _ in range(count))


async def _result(job: Job, timeout: str | None, output: Output) -> int:
    told = {"queue": job.queue.name, "jobId": job.id}
    try:
        result = await job.result(timeout=timeout)
    except JobFailed as error:
        if output.as_json:
            click.echo(dumped({**told, "state": "failed", "failedReason": str(error)}))
        else:
            print(f"bullpen: job {job.id} failed: {error}", file=sys.stderr)
        return 1
    output.record({**told, "state": "completed", "returnvalue": result}, dumped(result))
    return 0
