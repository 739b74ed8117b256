"""The BullMQ wire format: keys, options, scripts and replies. No sockets, no clock, no asyncio."""

from bullpen.protocol.call import Call
from bullpen.protocol.deduplication import Deduplication
from bullpen.protocol.keys import QueueKeys
from bullpen.protocol.options import Backoff, JobOptions, KeepJobs
from bullpen.protocol.replies import JobRecord, JobState

__all__ = ["Backoff", "Call", "Deduplication", "JobOptions", "JobRecord", "JobState", "KeepJobs", "QueueKeys"]
