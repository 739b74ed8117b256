"""The next run of a schedule, added before the present one is begun (protocol §8.4)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bullpen.errors import ConfigurationError, ConnectionLost, ProtocolError
from bullpen.protocol.calls.schedules import plan_next
from bullpen.runtime.delivery import Pause

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from bullpen.protocol.keys import QueueKeys
    from bullpen.protocol.replies import JobRecord
    from bullpen.runtime.delivery import Delivery


async def plan(
    job: JobRecord, keys: QueueKeys, *, delivery: Delivery, stopping: Callable[[], bool], logger: logging.Logger
) -> None:
    """Add the run after this job's, once for however many starts of it; nothing for a job of no scheduler.

    Repeated while Redis is away, or the schedule would end here. What cannot be planned, because the job or Redis does
    not allow it, is logged, and the job runs all the same; it is asked again when the job starts again.
    """
    pause = Pause()
    while not stopping():
        try:
            call = plan_next(keys, job=job, now=int(time.time() * 1000))
            if call is not None:
                await delivery.run(call)
        except ConnectionLost:
            await pause.wait()
        except (ProtocolError, ConfigurationError) as error:
            logger.warning("Job %s: the next run of schedule %r is not planned: %s", job.id, job.scheduler_id, error)
            return
        else:
            return
