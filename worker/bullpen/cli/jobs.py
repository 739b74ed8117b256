"""`bullpen retry`, `promote` and `remove`: single jobs, or all of a state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bullpen.cli.output import Output, plural
from bullpen.cli.target import Desk, Target, as_json, on_target, queue_argument

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bullpen.job import Job
    from bullpen.queue import Queue

_jobs = click.argument("jobs", nargs=-1, metavar="[JOB]...")
_these = click.argument("jobs", nargs=-1, required=True, metavar="JOB...")


@click.command()
@queue_argument
@_jobs
@click.option("--failed", is_flag=True, help="All failed jobs.")
@click.option("--completed", is_flag=True, help="All completed jobs; with JOB: these completed.")
@click.option("--all", "everything", is_flag=True, help="All that have ended, completed and failed.")
@click.option("--reset-attempts", is_flag=True, help="Give the named jobs all their attempts anew.")
@as_json
@on_target
def retry(
    queue: str,
    jobs: tuple[str, ...],
    failed: bool,
    completed: bool,
    everything: bool,
    reset_attempts: bool,
    as_json: bool,
    target: Target,
) -> int:
    """Make jobs of QUEUE ready again that failed: those named, or all with --failed.

    Their attempts are counted on, so that a job without any left fails at its next error. All jobs at once go to the
    back of the queue, whatever their priority.
    """
    if bool(jobs) == (failed or everything or (completed and not jobs)):
        raise click.UsageError("name jobs, or all of a state with --failed, --completed or --all: one of both")
    if reset_attempts and not jobs:
        raise click.UsageError("--reset-attempts is for named jobs: name them")
    output = Output(as_json)

    async def do(desk: Desk) -> int:
        here = await desk.queue(queue)
        if jobs:
            return await each(
                here, jobs, lambda job: job.retry(completed=completed, reset_attempts=reset_attempts), "retried", output
            )
        count = await here.retry_failed() if failed or everything else 0
        count += await here.retry_failed(completed=True) if completed or everything else 0
        output.record({"queue": queue, "retried": count}, f"{plural(count)} of {queue} made ready again")
        return 0

    return target.run(do)


@click.command()
@queue_argument
@_jobs
@click.option("--all", "everything", is_flag=True, help="All delayed jobs.")
@as_json
@on_target
def promote(queue: str, jobs: tuple[str, ...], everything: bool, as_json: bool, target: Target) -> int:
    """Make delayed jobs of QUEUE ready now: those named, or all with --all."""
    if bool(jobs) == everything:
        raise click.UsageError("name jobs, or all with --all: one of both")
    output = Output(as_json)

    async def do(desk: Desk) -> int:
        here = await desk.queue(queue)
        if jobs:
            return await each(here, jobs, lambda job: job.promote(), "promoted", output)
        count = await here.promote()
        output.record({"queue": queue, "promoted": count}, f"{plural(count)} of {queue} made ready")
        return 0

    return target.run(do)


@click.command()
@queue_argument
@_these
@click.option("--keep-children", is_flag=True, help="Leave the jobs alone that these wait for.")
@as_json
@on_target
def remove(queue: str, jobs: tuple[str, ...], keep_children: bool, as_json: bool, target: Target) -> int:
    """Delete jobs of QUEUE with all their children; a job that a worker holds is left."""
    output = Output(as_json)

    async def do(desk: Desk) -> int:
        async def gone(job: Job) -> None:
            await job.record()  # a job that is missing counts as deleted, but here it is a wrong id
            await job.remove(children=not keep_children)

        return await each(await desk.queue(queue), jobs, gone, "removed", output)

    return target.run(do)


async def each(
    queue: Queue, ids: Sequence[str], act: Callable[[Job], Awaitable[None]], done: str, output: Output
) -> int:
    """Do it to one job after the other, and say of each how it went: 1 when something was not done."""
    from bullpen.errors import JobMissing, WrongState

    code = 0
    for job_id in ids:
        try:
            await act(queue.get(job_id))
        except (JobMissing, WrongState) as error:
            click.echo(f"bullpen: {error}", err=True)
            code = 1
        else:
            output.record({"queue": queue.name, "jobId": job_id, "done": done}, f"{done} {job_id}")
    return code
