"""dramatiq as a peer: its Redis broker, one process with as many threads as there are slots."""

import time

import dramatiq
import stopwatch
from dramatiq.brokers.redis import RedisBroker

# Each thread holds a connection, and so does each consumer.
broker = RedisBroker(url=stopwatch.REDIS_URL, max_connections=2 * stopwatch.SLOTS + 20)
dramatiq.set_broker(broker)
watch = stopwatch.Stopwatch()


@dramatiq.actor(queue_name="bench", max_retries=0)
def job(added: float) -> None:
    watch.job_in_thread(added)


if stopwatch.FILLS:
    for _ in range(stopwatch.JOBS):
        job.send(time.time())
else:
    worker = dramatiq.Worker(broker, worker_threads=stopwatch.SLOTS)
    worker.start()
    watch.done.wait()
    worker.stop()
