from __future__ import annotations

import subprocess
import sys

import bullpen


def test_what_people_import() -> None:
    assert bullpen.__all__ == [
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
    for name in bullpen.__all__:
        assert hasattr(bullpen, name)


def test_what_is_imported_when_asked_for_is_what_is_promised() -> None:
    assert {*bullpen._HOMES, "__version__"} == set(bullpen.__all__)
    for name, home in bullpen._HOMES.items():
        assert getattr(sys.modules[home], name) is getattr(bullpen, name)


def test_a_producer_needs_nothing_of_the_worker() -> None:
    """The extra `worker` brings click, httpx and others; an API that only adds jobs goes without."""
    theirs = {"bullpen.telemetry", "click", "httpx", "prometheus_client", "standardwebhooks"}
    code = f"import bullpen, sys; sys.exit(bool({theirs} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
