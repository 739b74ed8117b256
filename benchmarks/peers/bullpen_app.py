"""Our app of the benchmark."""

import os
import signal

import stopwatch

from bullpen import App, ConfigurationError

app = App()
queue = app.queue("bench")
watch = stopwatch.Stopwatch()


def finish() -> None:
    if watch.done.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


if stopwatch.KIND == "cpu":
    try:

        @queue.job("job", run="process")  # type: ignore[arg-type, unused-ignore]
        def burn(data: dict[str, float]) -> int:
            """In a process of its own; the benchmark times it from outside, by the events of the queue."""
            return stopwatch.burn()

    except ConfigurationError as error:
        raise SystemExit(f"no process jobs: {error}") from None

else:

    @queue.job("job")
    async def job(data: dict[str, float]) -> None:
        await watch.job(data["at"])
        finish()
