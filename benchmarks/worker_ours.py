"""The app of the benchmark."""

import os
import signal

from stopwatch import Stopwatch

from bullpen import App

app = App()
queue = app.queue("noop")
stopwatch = Stopwatch()


@queue.job("noop")
async def noop(data: object) -> None:
    if stopwatch.lap():
        os.kill(os.getpid(), signal.SIGTERM)
