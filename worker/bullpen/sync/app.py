"""An app, for threads."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from bullpen.app import App as AwaitingApp
from bullpen.client.portal import Portal
from bullpen.sync.facade import Facade, blocking, direct
from bullpen.sync.queue import Job, Queue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from opentelemetry.trace import TracerProvider

    from bullpen.context import Context
    from bullpen.flow import Flow
    from bullpen.flow import FlowJobs as AwaitingFlowJobs
    from bullpen.job import Job as AwaitingJob
    from bullpen.protocol.location import LocationSource
    from bullpen.queue import Queue as AwaitingQueue
    from bullpen.runtime.rules import Strategy


@dataclass(frozen=True, slots=True)
class FlowJobs:
    """The jobs of a flow, in the shape of its tree."""

    job: Job
    children: tuple[FlowJobs, ...]


def _job(of: App, job: AwaitingJob) -> Job:
    return Job(job, portal=of.portal)


def _queue(of: App, queue: AwaitingQueue) -> Queue:
    return Queue(queue, portal=of.portal)


def _flow_jobs(of: App, jobs: AwaitingFlowJobs) -> FlowJobs:
    return FlowJobs(_job(of, jobs.job), tuple(_flow_jobs(of, child) for child in jobs.children))


class App(Facade[AwaitingApp]):
    """Declares queues and jobs as `bullpen.App` does, and adds jobs from any thread; `bullpen serve` runs it too.

    `redis` (a URL) and `prefix` win over the environment's REDIS_URL_FILE, REDIS_URL and QUEUE_PREFIX, which are read
    when the first job is added. Leave them out in what the operator deploys. `telemetry=True` traces jobs by
    OpenTelemetry, with the process' tracer provider or the one given. Raises ConfigurationError for a bad URL, and when
    OpenTelemetry is not installed.
    It may be shared by all threads and used before and after a fork.
    """

    __slots__ = ()

    def __init__(
        self, *, redis: str | None = None, prefix: str | None = None, telemetry: bool | TracerProvider = False
    ) -> None:
        app = AwaitingApp(redis=redis, prefix=prefix, telemetry=telemetry)
        super().__init__(app, portal=Portal(app.aclose))

    @classmethod
    def of(cls, app: AwaitingApp) -> App:
        """A facade of its own for an app there is; `bullpen.App.sync` is the one that all share."""
        made = cls.__new__(cls)
        Facade.__init__(made, app, portal=Portal(app.aclose))
        return made

    @property
    def queues(self) -> Mapping[str, Queue]:
        """The queues declared so far, by name."""
        return MappingProxyType({name: _queue(self, queue) for name, queue in self.awaiting.queues.items()})

    @property
    def redis(self) -> LocationSource | None:
        """Where Redis is if the app says so itself, None where the environment does."""
        return self.awaiting.redis

    @property
    def prefix(self) -> str:
        """The prefix of all keys: the app's own, else QUEUE_PREFIX, else BullMQ's default."""
        return self.awaiting.prefix

    @property
    def backoffs(self) -> Mapping[str, Strategy]:
        """The custom backoff strategies declared so far, by name."""
        return self.awaiting.backoffs

    queue = direct(AwaitingApp.queue, _queue)
    backoff = direct(AwaitingApp.backoff)
    check = direct(AwaitingApp.check)
    resource = direct(AwaitingApp.resource)
    lifespan = direct(AwaitingApp.lifespan)
    middleware = direct(AwaitingApp.middleware)
    on_completed = direct(AwaitingApp.on_completed)
    on_failed = direct(AwaitingApp.on_failed)
    webhook_secret = direct(AwaitingApp.webhook_secret)
    job_at = direct(AwaitingApp.job_at, _job)

    def flow(self, tree: Flow, *, parent: Context | Job | None = None) -> FlowJobs:
        above = parent.awaiting if isinstance(parent, Job) else parent
        return _flow_jobs(self, self.portal.run(self.awaiting.flow(tree, parent=above)))

    def get_flow(self, job: Job, *, depth: int = 10) -> FlowJobs:
        return _flow_jobs(self, self.portal.run(self.awaiting.get_flow(job.awaiting, depth=depth)))

    flow.__doc__ = AwaitingApp.flow.__doc__
    gather = blocking(AwaitingApp.gather)
    get_flow.__doc__ = AwaitingApp.get_flow.__doc__

    def close(self) -> None:
        """Close the connection and end its thread; a later use opens new ones. Left out, the end of the process does.

        Calls that other threads wait for fail with ConnectionLost.
        """
        self.portal.close()

    def __enter__(self) -> App:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
