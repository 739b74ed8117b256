"""Bullpen: background jobs on BullMQ-format queues in Redis."""

from importlib.metadata import version

from bullpen.app import App
from bullpen.context import Context
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
from bullpen.job import Job
from bullpen.protocol.options import Backoff, KeepJobs
from bullpen.queue import Queue
from bullpen.retry import Retry

__version__ = version("bullpen")

__all__ = [
    "App",
    "Backoff",
    "BullpenError",
    "ConfigurationError",
    "ConnectionLost",
    "Context",
    "Job",
    "JobFailed",
    "JobMissing",
    "KeepJobs",
    "LockLost",
    "ProtocolError",
    "Queue",
    "Retry",
    "Unrecoverable",
    "WrongState",
    "__version__",
]
