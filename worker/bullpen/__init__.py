"""Bullpen: background jobs on BullMQ-format queues in Redis."""

from importlib.metadata import version

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
from bullpen.signals import Delay, RateLimited, Requeue, WaitForChildren
from bullpen.webhook import Webhook

__version__ = version("bullpen")

__all__ = [
    "App",
    "Backoff",
    "BullpenError",
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
