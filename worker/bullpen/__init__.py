"""Bullpen: background jobs on BullMQ-format queues in Redis."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bullpen.app import App
    from bullpen.context import Context
    from bullpen.dedup import Dedup
    from bullpen.errors import (
        BullpenError,
        ConfigurationError,
        ConnectionLost,
        JobFailed,
        JobMissing,
        LockLost,
        ProtocolError,
        Unrecoverable,
        WrongState,
    )
    from bullpen.flow import Flow, FlowJobs
    from bullpen.hooks import Ended
    from bullpen.job import Job
    from bullpen.new_job import NewJob
    from bullpen.pipelines import Group, chain, group, map_reduce
    from bullpen.protocol.calls.children import ChildrenCounts
    from bullpen.protocol.calls.clients import ConnectedWorker
    from bullpen.protocol.calls.look import QueueSettings
    from bullpen.protocol.calls.schedules import Scheduler
    from bullpen.protocol.events import Event
    from bullpen.protocol.options import Backoff, KeepJobs
    from bullpen.protocol.replies import Counts, JobRecord, JobState, Logs
    from bullpen.queue import Queue
    from bullpen.retry import Retry
    from bullpen.runtime.around import CallNext
    from bullpen.signals import Delay, RateLimited, Requeue, WaitForChildren
    from bullpen.webhook import Webhook

    __version__: str

__all__ = [
    "App",
    "Backoff",
    "BullpenError",
    "CallNext",
    "ChildrenCounts",
    "ConfigurationError",
    "ConnectedWorker",
    "ConnectionLost",
    "Context",
    "Counts",
    "Dedup",
    "Delay",
    "Ended",
    "Event",
    "Flow",
    "FlowJobs",
    "Group",
    "Job",
    "JobFailed",
    "JobMissing",
    "JobRecord",
    "JobState",
    "KeepJobs",
    "LockLost",
    "Logs",
    "NewJob",
    "ProtocolError",
    "Queue",
    "QueueSettings",
    "RateLimited",
    "Requeue",
    "Retry",
    "Scheduler",
    "Unrecoverable",
    "WaitForChildren",
    "Webhook",
    "WrongState",
    "__version__",
    "chain",
    "group",
    "map_reduce",
]

# Each is imported when it is first asked for: the command line, above all its completion, needs few of them.
_HOMES = {
    "App": "bullpen.app",
    "Backoff": "bullpen.protocol.options",
    "BullpenError": "bullpen.errors",
    "CallNext": "bullpen.runtime.around",
    "ChildrenCounts": "bullpen.protocol.calls.children",
    "ConfigurationError": "bullpen.errors",
    "ConnectedWorker": "bullpen.protocol.calls.clients",
    "ConnectionLost": "bullpen.errors",
    "Context": "bullpen.context",
    "Counts": "bullpen.protocol.replies",
    "Dedup": "bullpen.dedup",
    "Delay": "bullpen.signals",
    "Ended": "bullpen.hooks",
    "Event": "bullpen.protocol.events",
    "Flow": "bullpen.flow",
    "FlowJobs": "bullpen.flow",
    "Group": "bullpen.pipelines",
    "Job": "bullpen.job",
    "JobFailed": "bullpen.errors",
    "JobMissing": "bullpen.errors",
    "JobRecord": "bullpen.protocol.replies",
    "JobState": "bullpen.protocol.replies",
    "KeepJobs": "bullpen.protocol.options",
    "LockLost": "bullpen.errors",
    "Logs": "bullpen.protocol.replies",
    "NewJob": "bullpen.new_job",
    "ProtocolError": "bullpen.errors",
    "Queue": "bullpen.queue",
    "QueueSettings": "bullpen.protocol.calls.look",
    "RateLimited": "bullpen.signals",
    "Requeue": "bullpen.signals",
    "Retry": "bullpen.retry",
    "Scheduler": "bullpen.protocol.calls.schedules",
    "Unrecoverable": "bullpen.errors",
    "WaitForChildren": "bullpen.signals",
    "Webhook": "bullpen.webhook",
    "WrongState": "bullpen.errors",
    "chain": "bullpen.pipelines",
    "group": "bullpen.pipelines",
    "map_reduce": "bullpen.pipelines",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("bullpen")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'bullpen' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
