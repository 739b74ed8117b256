"""What app authors use in their tests: one job function alone, or a whole app at work, without a Redis server."""

from bullpen.testing.running import RunningWorker, worker
from bullpen.testing.runs import Ending, JobRun, run_job

__all__ = ["Ending", "JobRun", "RunningWorker", "run_job", "worker"]
