"""Apps, queues and jobs for code without an event loop: Django, Flask, scripts, jobs that run in a thread.

    from bullpen.sync import App

    app = App()
    job = app.queue("video-generation").add("generate", {"scriptId": "s1"})
    print(job.result(timeout="5m"))

Or, where there is a `bullpen.App` already, `app.sync`. Methods, arguments, errors and results are those of `bullpen`,
save that they block. One thread with an event loop serves all threads of the process over one connection; it starts
with the first call, and again in each child of a fork (gunicorn's workers, after its master has used the app). A
call inside a running event loop works, and stops that loop until it has its answer: await the `bullpen.App` there.
"""

from bullpen.sync.app import App, FlowJobs
from bullpen.sync.events import Events
from bullpen.sync.queue import Job, Queue

__all__ = ["App", "Events", "FlowJobs", "Job", "Queue"]
